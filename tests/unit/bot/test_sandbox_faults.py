"""Which faults can be asked for, how often they come, and that they come the same way again."""

import pytest

from bot.sandbox.faults import ANY, DOWNLOAD, UPDATES, Fault, Faults, Injector, possible


def fates(injector: Injector, place: str, calls: int) -> list[Fault | None]:
    return [injector.draw(place) for _ in range(calls)]


def test_nothing_goes_wrong_unless_it_is_asked_for() -> None:
    injector = Injector(Faults())
    assert not any(fates(injector, "sendMessage", 200) + fates(injector, DOWNLOAD, 200) + fates(injector, UPDATES, 200))
    assert not injector.injected


def test_faults_come_at_requested_rates_and_are_counted() -> None:
    injector = Injector(Faults({"sendPhoto": {Fault.FLOOD: 0.1, Fault.DROP_AFTER: 0.3}}))
    drawn = fates(injector, "sendPhoto", 10_000)
    assert 900 < drawn.count(Fault.FLOOD) < 1100
    assert 2800 < drawn.count(Fault.DROP_AFTER) < 3200
    assert injector.injected == {
        "sendPhoto": {fault: drawn.count(fault) for fault in (Fault.FLOOD, Fault.DROP_AFTER)},
    }


def test_seed_fixes_each_methods_fate_despite_other_calls() -> None:
    faults = Faults({"sendPhoto": {Fault.SLOW: 0.5}, "sendMessage": {Fault.SLOW: 0.5}}, seed=7)
    alone, among_others = Injector(faults), Injector(faults)
    expected = fates(alone, "sendPhoto", 100)
    mixed = []
    for number in range(100):
        fates(among_others, "sendMessage", number % 3)
        mixed.append(among_others.draw("sendPhoto"))
    assert mixed == expected
    assert fates(Injector(Faults(faults.rates, seed=8)), "sendPhoto", 100) != expected


def test_switching_starts_the_seed_anew_and_goes_on_counting() -> None:
    faults = Faults({"getMe": {Fault.FLOOD: 0.5}}, seed=3)
    injector = Injector(faults)
    first = fates(injector, "getMe", 50)
    injector.switch(Faults())
    assert not any(fates(injector, "getMe", 50))
    injector.switch(faults)
    assert fates(injector, "getMe", 50) == first
    assert injector.injected["getMe"][Fault.FLOOD] == 2 * first.count(Fault.FLOOD)


def test_star_means_methods_without_rates_except_files_and_updates() -> None:
    injector = Injector(Faults({ANY: {Fault.BAD_GATEWAY: 1}, "getUpdates": {}}))
    assert injector.draw("sendMESSAGE") is Fault.BAD_GATEWAY
    assert injector.draw("getUpdates") is None
    assert injector.draw(DOWNLOAD) is None
    assert injector.draw(UPDATES) is None


@pytest.mark.parametrize(
    ("rates", "complaint"),
    [
        ({"sendFoto": {Fault.FLOOD: 0.1}}, "'sendFoto' is no method"),
        ({"__init__": {Fault.FLOOD: 0.1}}, "'__init__' is no method"),
        ({"sendPhoto": {Fault.EXPIRED_LINK: 0.1}}, "can't happen at sendPhoto"),
        ({UPDATES: {Fault.FLOOD: 0.1}}, "can't happen at updates: there can be redelivery"),
        ({DOWNLOAD: {Fault.FLOOD: 0.1}}, "can't happen at download"),
        ({"getFile": {Fault.FLOOD: 1.5}}, "must be 0 to 1"),
        ({"getFile": {Fault.FLOOD: float("nan")}}, "must be 0 to 1"),
        ({"getFile": {Fault.FLOOD: 0.6, Fault.SLOW: 0.6}}, "more than 1 together"),
    ],
)
def test_senseless_rates_are_refused_with_a_sentence(rates: dict[str, dict[Fault, float]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Faults(rates)


@pytest.mark.parametrize("numbers", [{"slow_s": -1}, {"hang_s": 1e9}, {"redelivery_s": float("nan")}])
def test_times_out_of_reach_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Faults(slow_s=numbers.get("slow_s", 1), hang_s=numbers.get("hang_s", 1),
               redelivery_s=numbers.get("redelivery_s", 1))  # fmt: skip
    with pytest.raises(ValueError, match="at least 1"):
        Faults(retry_after=0)


def test_every_fault_can_happen_somewhere() -> None:
    places = (ANY, "getFile", DOWNLOAD, UPDATES)
    assert frozenset().union(*(possible(place) for place in places)) == set(Fault)
