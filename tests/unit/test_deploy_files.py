"""What lies in deploy/ beside the unit: it parses, and names settings, metrics, ports and files that exist."""

import json
import re
from typing import Any

import pytest
import yaml

from bot.operations.health import Probes, Watch
from bot.operations.prometheus import PrometheusMetrics
from bot.settings import Settings
from storage.inbox import Backlog
from tests.conftest import PROJECT

DEPLOY = PROJECT / "deploy"
KNOWN = {name.upper() for name in Settings.model_fields}
RULES = (DEPLOY / "prometheus" / "tumorscan-rules.yaml").read_text("utf-8")
DASHBOARD = (DEPLOY / "grafana" / "tumorscan.json").read_text("utf-8")
MANIFESTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((DEPLOY / "kubernetes" / "tumorscan.yaml").read_text("utf-8"))
)
REPLICAS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "replicas.yaml").read_text("utf-8")))
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text("utf-8"))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


async def exported() -> set[str]:
    """The names of all metrics, as a bot with a status port exports them."""

    async def nothing() -> Backlog:
        return Backlog(0, None)

    metrics = PrometheusMetrics()
    Watch(Probes(nothing, nothing, nothing), metrics).show()
    named = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    families = {family.name for family in metrics.registry.collect()}
    # These are made where the executor is known; so are counters without a sample yet.
    source = (PROJECT / "bot" / "app.py").read_text("utf-8")
    named |= {f"tumorscan_{name}" for name in re.findall(r'gauge\("(\w+)"', source)}
    return named | families | {f"{family}_total" for family in families}


@pytest.mark.parametrize("text", [RULES, DASHBOARD], ids=["alert rules", "dashboard"])
async def test_every_figure_that_is_asked_for_is_exported(text: str) -> None:
    asked = set(re.findall(r"tumorscan_[a-z_]+", text))
    assert len(asked) >= 8
    assert asked <= await exported()


def test_every_alert_says_what_to_do() -> None:
    rules = [rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert rule["expr"].count("(") == rule["expr"].count(")"), rule["alert"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_an_alert_adds_nothing_that_may_not_be_there() -> None:
    """A sum of a figure without a sample yet is no number, and neither is what it is added to: all pictures refused."""
    for rule in (rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]):
        assert not re.search(r"[+-] sum\(", rule["expr"]), f"{rule['alert']}: write (sum(...) or vector(0))"


def test_dashboard_is_whole_and_its_panels_do_not_overlap() -> None:
    board = json.loads(DASHBOARD)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert all(target["expr"] for target in panel["targets"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_manifests_set_only_settings_that_exist() -> None:
    (config,) = of_kind("ConfigMap")
    assert set(config["data"]) <= KNOWN
    assert all(isinstance(value, str) for value in config["data"].values())
    Settings(_env_file=None, **{name.lower(): value for name, value in config["data"].items()})


def test_manifests_fit_together() -> None:
    (bot,) = of_kind("StatefulSet")
    pod = bot["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    labels = bot["spec"]["template"]["metadata"]["labels"]
    claims = {claim["metadata"]["name"] for claim in of_kind("PersistentVolumeClaim")}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert bot["spec"]["replicas"] == 1
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v} == claims
    assert of_kind("Service")[0]["spec"]["selector"].items() <= labels.items()
    assert of_kind("NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    (config,) = of_kind("ConfigMap")
    (port,) = container["ports"]
    assert str(port["containerPort"]) == config["data"]["STATUS_PORT"]
    assert pod["terminationGracePeriodSeconds"] > float(config["data"]["STOP_GRACE"])
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }


def test_replica_manifests_fit_together_and_are_complete() -> None:
    parts = {manifest["kind"]: manifest for manifest in REPLICAS}
    data = parts["ConfigMap"]["data"]
    assert set(data) <= KNOWN
    given: dict[str, Any] = {name.lower(): value for name, value in data.items()}
    given |= {"database_url": "postgresql+asyncpg://user@host/name", "webhook_secret": "s" * 16}
    made = Settings(_env_file=None, **given)
    assert made.replicas
    deployment = parts["Deployment"]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"],
        parts["Service"]["spec"]["selector"],
        parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        parts["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector == labels
    assert parts["PodDisruptionBudget"]["spec"]["minAvailable"] < deployment["replicas"]
    assert deployment["strategy"]["type"] == "Recreate", "two versions are refused side by side"
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    assert ports == {"webhook": data["WEBHOOK_PORT"], "status": data["STATUS_PORT"]}
    assert {reference[kind]["name"] for reference in container["envFrom"] for kind in reference} == {
        parts["ConfigMap"]["metadata"]["name"],
        "tumorscan",
    }
    (claimed,) = of_kind("StatefulSet")
    assert container["securityContext"] == claimed["spec"]["template"]["spec"]["containers"][0]["securityContext"]


def test_no_single_bot_runs_beside_composed_replicas() -> None:
    """The service has no profile, so that it is started with any: a second bot with the same token."""
    assert "profiles" not in COMPOSE["services"]["bot"]
    for name in ("docs/OPERATING.md", "compose.yaml"):
        commands = re.findall(r"`(docker compose --profile replicas up [^`]*)`", (PROJECT / name).read_text("utf-8"))
        assert commands, name
        assert all("--scale bot=0" in command for command in commands), name


def test_prometheus_asks_the_job_that_the_alerts_look_for() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert [job["job_name"] for job in config["scrape_configs"]] == re.findall(r'job="(\w+)"', RULES)
    assert all((DEPLOY / "prometheus" / rules).is_file() for rules in config["rule_files"])


@pytest.mark.parametrize("name", ["haproxy/replicas.cfg", "caddy/Caddyfile"])
def test_proxies_name_the_bots_ports_and_ask_for_readiness(name: str) -> None:
    text = "\n".join(
        line for line in (DEPLOY / name).read_text("utf-8").splitlines() if not line.strip().startswith("#")
    )
    passed_on = set(re.findall(r"\d+\.\d+\.\d+\.\d+:(\d+)", text))
    assert passed_on == {str(Settings.model_fields["webhook_port"].default)}
    asked = re.findall(r"(?:check port|health_port) (\d+)", text)
    assert asked == [str(port) for port in {*COMPOSE["services"]["replica"]["environment"].values()} if port == 9108]
    assert "/readyz" in text


def test_composed_replicas_are_reached_by_their_balancer() -> None:
    services = COMPOSE["services"]
    environment = {name: str(value) for name, value in services["replica"]["environment"].items()}
    assert set(environment) <= KNOWN
    given: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    given |= {"webhook_url": "https://bot.example.org", "webhook_secret": "s" * 16}
    Settings(_env_file=None, **given)
    assert all(services[name]["profiles"] == ["replicas"] for name in ("replica", "balancer", "postgres"))
    (mounted,) = services["balancer"]["volumes"]
    balancer = (PROJECT / mounted.partition(":")[0]).read_text("utf-8")
    assert f"server replica:{environment['WEBHOOK_PORT']}" in balancer


def test_composed_cluster_has_the_examples_address_and_extra() -> None:
    services = COMPOSE["services"]
    scheduler, worker = services["scheduler"], services["worker"]
    address = f"tcp://scheduler:{scheduler['entrypoint'][scheduler['entrypoint'].index('--port') + 1]}"
    assert worker["command"] == ["worker", address]
    assert f"# {address} " in (PROJECT / ".env.example").read_text("utf-8")
    assert set(worker["environment"]) <= KNOWN
    for service in (scheduler, worker, services["replica"]):
        assert service["image"] == "tumorscan-bot-extras"
        assert service["build"]["args"]["LOCK"] == "requirements-extras.lock"
        assert not service.get("ports"), "whoever reaches a scheduler can have its workers run anything"


def test_pod_has_no_right_that_it_does_not_need() -> None:
    pod = of_kind("StatefulSet")[0]["spec"]["template"]["spec"]
    security = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert not pod["automountServiceAccountToken"]
    assert security == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_render_sets_known_settings_and_no_token() -> None:
    (service,) = yaml.safe_load((DEPLOY / "render.yaml").read_text("utf-8"))["services"]
    settings = {pair["key"]: pair.get("value") for pair in service["envVars"]}
    assert set(settings) <= KNOWN
    assert settings["TELEGRAM_BOT_TOKEN"] is None
    given = {name.lower(): value for name, value in settings.items() if value is not None}
    Settings(_env_file=None, **given)
    assert (PROJECT / service["dockerfilePath"]).exists()


def test_the_health_checks_ask_the_port_that_is_set() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text("utf-8")
    (port,) = re.findall(r"STATUS_PORT=(\d+)", dockerfile)
    assert f"http://127.0.0.1:{port}/healthz" in dockerfile
    bot = COMPOSE["services"]["bot"]
    assert str(bot["environment"]["STATUS_PORT"]) == port
    assert f"http://127.0.0.1:{port}/healthz" in " ".join(bot["healthcheck"]["test"])
    assert "backups:/backups" in bot["volumes"]
