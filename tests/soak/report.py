"""A soak as a table for people and as JSON for programs, and which promises it broke."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from tests.soak.run import SoakRun

DOUBLES_ALLOWED = 0.01
"""The one window that can't be closed: a message was sent, and its sender killed before that was recorded."""


def broken_promises(soak: SoakRun) -> list[str]:
    """One sentence for each; none is a pass."""
    account = soak.account
    found = {
        f"{account.lost} of {account.scans} scans are lost ({account.turned_away} with a word to their sender)": (
            account.lost
        ),
        f"{account.double_rows} scans stand twice in the history": account.double_rows,
        f"{account.without_picture} scans have no heat map in the chat": account.without_picture,
        f"{account.without_report} scans have no PDF in the chat": account.without_report,
        f"{account.out_of_order} people were answered in another order than they sent": account.out_of_order,
        f"{account.unanswered_texts} of {account.texts} texts have no answer": account.unanswered_texts,
        f"{account.unanswered_others} pictures of something else have no answer": account.unanswered_others,
        f"{account.stuck_consents} people were never asked whether their picture may be read": account.stuck_consents,
        f"{account.double_share:.1%} of the messages are double": account.double_share > DOUBLES_ALLOWED,
        f"the bot left {soak.left_by_itself} times by itself": soak.left_by_itself,
        f"the bot left with status {soak.exit_status} when it was asked to": soak.exit_status,
        f"{soak.leftover_processes} processes outlived their bot": soak.leftover_processes,
    }
    return [sentence for sentence, broken in found.items() if broken]


def as_table(soak: SoakRun) -> str:
    """Lines for the terminal."""
    account, plan = soak.account, soak.plan
    faults = {place: sum(counts.values()) for place, counts in soak.injected.items()}
    memory = ", ".join(f"{one:.0f}" for one in soak.worker_memory) or "none"
    rows = [
        ("people, seed", f"{plan.people}, {plan.seed}"),
        ("scans, texts sent", f"{account.scans}, {account.texts}"),
        ("kills -9, left by itself", f"{soak.kills}, {soak.left_by_itself}"),
        ("faults", f"{sum(faults.values())} ({', '.join(f'{one} {n}' for one, n in sorted(faults.items()))})"),
        ("lost (told)", f"{account.lost} ({account.turned_away})"),
        ("double rows", f"{account.double_rows}"),
        ("people out of order", f"{account.out_of_order}"),
        ("replicas, takeovers", f"{plan.replicas}, {len(soak.takeovers)}: {_spread(soak.takeovers)}"),
        ("without heat map, PDF", f"{account.without_picture}, {account.without_report}"),
        ("unanswered texts, others", f"{account.unanswered_texts}, {account.unanswered_others}"),
        ("offered again (needlessly)", f"{account.offered} ({account.offered_needlessly})"),
        ("double messages", f"{account.doubles} of {account.messages} = {account.double_share:.2%}"),
        ("  heat maps, PDFs, texts", f"{account.double_pictures}, {account.double_reports}, {account.double_texts}"),
        ("statuses left", f"{account.status_left} = {account.status_share:.2%} of the scans"),
        ("apologies", f"{account.apologies}"),
        ("errors, tracebacks in log", f"{soak.errors_logged}, {soak.tracebacks}"),
        ("sending, settling", f"{soak.sending_seconds:.1f} s, {soak.settling_seconds:.1f} s"),
        ("wait for a PDF", _spread(soak.waits.scans)),
        ("wait for a text's answer", _spread(soak.waits.texts)),
        ("throughput", f"{soak.throughput:.2f} scans/s"),
        ("memory of bot; workers", f"{soak.bot_memory:.0f} MB; {memory} MB"),
        ("exit status, leftovers", f"{soak.exit_status}, {soak.leftover_processes}"),
    ]
    return "\n".join(f"{name:<26} {value}" for name, value in rows)


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    half, most = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
    return f"{half:.2f} s p50, {most:.2f} s p95, {ordered[-1]:.2f} s at most"


def as_json(soak: SoakRun) -> str:
    """Everything, for comparing rides."""
    shares = {
        "double_share": soak.account.double_share,
        "status_share": soak.account.status_share,
        "throughput": soak.throughput,
    }
    return json.dumps({**asdict(soak), **shares, "broken": broken_promises(soak)}, indent=2)
