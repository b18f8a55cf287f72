"""Objects of Kubernetes: against its schemas, against each other, and against the configuration in their ConfigMap."""

import kubernetes_validate
import yaml

import amounts
import program
from report import Wrong

# The first version in which sidecars are containers of their own without a feature gate, and the newest whose schemas are here.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}


def read(report, deploy, folders):
    """The objects of all files in the folders; none if one of the files is no YAML."""
    documents = []

    def load():
        for folder in folders:
            for path in sorted((deploy / folder).glob("*.yaml")):
                try:
                    documents.extend(each for each in yaml.safe_load_all(path.read_text()) if each)
                except yaml.YAMLError as error:
                    raise Wrong(f"{path.relative_to(deploy)}: {error}") from error
        if not documents:
            raise Wrong("there are no files")
        return f"{len(documents)} objects"

    report.check(f"{folders[0]} is YAML", load)
    return documents if all(isinstance(each, dict) for each in documents) else []


def check(report, where, documents):
    """`where` begins each line."""
    report.check(f"{where}: Kubernetes' schemas", lambda: schemas(documents))
    report.check(f"{where}: what names what", lambda: references(documents))
    report.check(f"{where}: hardening", lambda: hardening(documents))
    report.check(f"{where}: ports, probes, time and memory as configured", lambda: as_configured(documents))
    report.check(f"{where}: rules", lambda: rules(documents))
    for each in of_kind(documents, "ConfigMap"):
        name = f"{where}: ConfigMap {each['metadata']['name']}"
        report.check(f"{name}: readside validate", lambda each=each: program.validate(each["data"]))
        report.check(f"{name}: a daemon answers its probes", lambda each=each: program.answers(each["data"], probes(documents)))


def schemas(documents):
    known = [each for each in documents if not each["apiVersion"].startswith("monitoring.coreos.com/")]
    for version in VERSIONS:
        for each in known:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                at = "/".join(str(part) for part in error.path)
                raise Wrong(f"{label(each)} in {version}: {at}: {error.message}") from error
            except kubernetes_validate.SchemaNotFoundError as error:
                raise Wrong(f"{label(each)}: {error.message}") from error
    others = len(documents) - len(known)
    return f"{len(known)} objects, versions {' and '.join(VERSIONS)}; {others} of the Prometheus operator have no schema here"


def references(documents):
    pod = readside_of(documents)[0]
    labels, ports = pod["metadata"]["labels"], port_names(pod["spec"])
    stateful = of_kind(documents, "StatefulSet")[0]
    same(stateful["spec"]["selector"]["matchLabels"].items() <= labels.items(), "the StatefulSet selects no pod of its own")
    services = of_kind(documents, "Service")
    same(stateful["spec"]["serviceName"] in [each["metadata"]["name"] for each in services], "serviceName names no Service")
    for each in services:
        same(each["spec"]["selector"].items() <= labels.items(), f"{label(each)} selects no pod")
        for port in each["spec"]["ports"]:
            same(port["targetPort"] in ports, f"{label(each)}: the pod has no port `{port['targetPort']}`")
    for kind, selector in (("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")):
        for each in of_kind(documents, kind):
            same(each["spec"][selector]["matchLabels"].items() <= labels.items(), f"{label(each)} selects no pod")
    for each in of_kind(documents, "NetworkPolicy"):
        for rule in each["spec"].get("ingress", []):
            for port in rule["ports"]:
                same(port["port"] in ports, f"{label(each)}: the pod has no port `{port['port']}`")
    maps = [each["metadata"]["name"] for each in of_kind(documents, "ConfigMap")]
    claims = [each["metadata"]["name"] for each in stateful["spec"]["volumeClaimTemplates"]]
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    for name, volume in volumes.items():
        # Secrets and the like are made elsewhere.
        same("configMap" not in volume or volume["configMap"]["name"] in maps, f"volume `{name}` names no ConfigMap")
    for mount in readside_of(documents)[1]["volumeMounts"]:
        same(mount["name"] in volumes or mount["name"] in claims, f"no volume is called `{mount['name']}`")
    for monitor in of_kind(documents, "ServiceMonitor"):
        spec = monitor["spec"]
        wanted = spec["selector"]["matchLabels"].items()
        watched = [each for each in services if wanted <= each["metadata"]["labels"].items()]
        same(len(watched) == 1, f"{label(monitor)} selects {len(watched)} Services")
        same(watched[0]["metadata"]["labels"][spec["jobLabel"]] == "readside", "the job is not the one that the rules ask for")
        offered = [port["name"] for port in watched[0]["spec"]["ports"]]
        same([each["port"] for each in spec["endpoints"]] == ["metrics"] and "metrics" in offered, "metrics are not scraped")
        same(all(each["path"] == "/metrics" for each in spec["endpoints"]), "the metrics are at /metrics")


def hardening(documents):
    pod = readside_of(documents)[0]["spec"]
    context = pod["securityContext"]
    same(context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0, "the pod may run as root")
    same(context.get("seccompProfile") == {"type": "RuntimeDefault"}, "the pod has no seccomp profile")
    same(pod.get("automountServiceAccountToken") is False, "the pod gets a token that it does not need")
    for container in containers(pod):
        own = container["securityContext"]
        for key, value in HARDENED.items():
            same(own.get(key) is value, f"`{container['name']}`: {key} is not {value}")
        same(own.get("capabilities") == {"drop": ["ALL"]}, f"`{container['name']}` keeps capabilities")
        image = container["image"].rsplit("/", 1)[-1].partition(":")[2]
        same(image not in ("", "latest"), f"`{container['name']}` has an image of no version")


def as_configured(documents):
    pod, container = readside_of(documents)
    root = root_of(documents)
    ports = port_names(pod["spec"])
    for listener in ("http", "metrics"):
        listen = root[listener]["listen"]
        same(amounts.port(listen) == ports[listener], f"port `{listener}` is {ports[listener]}, the configuration listens on {listen}")
        same(listen.startswith("0.0.0.0:"), f"{listener}.listen is {listen}, where no probe and no Prometheus comes")
    for kind, probe in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        same(container[kind]["httpGet"] == {"path": probe, "port": "http"}, f"{kind} does not ask {probe} at port `http`")
    same(container["startupProbe"]["httpGet"]["port"] == "http", "startupProbe does not ask port `http`")
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    data = mounts.get(root["data_dir"])
    same(data is not None and not data.get("readOnly"), f"nothing is mounted at data_dir, {root['data_dir']}")
    root_file = next((each["value"] for each in container["env"] if each["name"] == "READSIDE_CONFIG"), None)
    same("/etc/readside" in mounts and root_file == "/etc/readside/readside.yaml", f"READSIDE_CONFIG is {root_file}, which is no file of the ConfigMap")
    same("--config" not in container["args"], "it starts with another root file than what is executed in the pod")
    grace, needed = pod["spec"]["terminationGracePeriodSeconds"], amounts.drain(root)
    same(grace > needed, f"terminationGracePeriodSeconds is {grace}, and to end takes up to {needed:g} s")
    memory, taken = amounts.quantity(container["resources"]["limits"]["memory"]), amounts.readers_take(root)
    same(memory >= 2 * taken, f"the memory is {memory >> 20} MiB, of which readers may take {taken >> 20} MiB: less than half is left for state")
    return f"readers may take {taken >> 20} of {memory >> 20} MiB"


def rules(documents):
    for each in of_kind(documents, "PrometheusRule"):
        return program.promtool("rules", {"rules.yaml": yaml.safe_dump(each["spec"])})
    raise Wrong("there is no PrometheusRule")


def probes(documents):
    container = readside_of(documents)[1]
    return sorted({container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")})


def readside_of(documents):
    """The pod's template and its container called `readside`, which may be a sidecar."""
    for each in of_kind(documents, "StatefulSet"):
        template = each["spec"]["template"]
        for container in containers(template["spec"]):
            if container["name"] == "readside":
                is_sidecar = container in template["spec"].get("initContainers", [])
                same(not is_sidecar or container.get("restartPolicy") == "Always", "the sidecar would be waited for to end")
                return template, container
    raise Wrong("no StatefulSet has a container called `readside`")


def root_of(documents):
    return yaml.safe_load(of_kind(documents, "ConfigMap")[0]["data"]["readside.yaml"])


def of_kind(documents, kind):
    return [each for each in documents if each.get("kind") == kind]


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def port_names(pod):
    return {port["name"]: port["containerPort"] for container in containers(pod) for port in container.get("ports", [])}


def label(document):
    return f"{document['kind']} {document['metadata']['name']}"


def same(is_so, otherwise):
    if not is_so:
        raise Wrong(otherwise)
