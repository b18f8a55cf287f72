//! The files under `deploy/`: `scripts/deploy-checks` is content with them, and says what is wrong with others.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::crash::daemon::binary;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/deploy-checks");
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

/// A fault that somebody could write into a file, and what is said of it.
struct Fault {
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
    /// How the line of the check begins that finds it, and what it says.
    check: &'static str,
    said: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        file: "prometheus/rules.yaml",
        right: "severity: page",
        wrong: "severity: pager",
        check: "files that are made of others",
        said: "prometheusrule.yaml",
    },
    Fault {
        file: "kubernetes/standalone/statefulset.yaml",
        right: "readOnlyRootFilesystem:",
        wrong: "readOnlyRootFilesytem:",
        check: "kubernetes/standalone: Kubernetes' schemas",
        said: "readOnlyRootFilesytem",
    },
    Fault {
        file: "kubernetes/standalone/statefulset.yaml",
        right: "containerPort: 9464",
        wrong: "containerPort: 9465",
        check: "kubernetes/standalone: ports, probes, time and memory as configured",
        said: "port `metrics` is 9465, the configuration listens on 0.0.0.0:9464",
    },
    Fault {
        file: "kubernetes/standalone/configmap.yaml",
        right: "kind: view",
        wrong: "kind: veiw",
        check: "kubernetes/standalone: ConfigMap readside: readside validate",
        said: "did you mean `view`?",
    },
    Fault {
        file: "kubernetes/monitoring/prometheusrule.yaml",
        right: "for: 1m",
        wrong: "for: one",
        check: "kubernetes/standalone: rules",
        said: "not a valid duration string",
    },
    Fault {
        file: "kubernetes/sidecar/service.yaml",
        right: "targetPort: metrics",
        wrong: "targetPort: metric",
        check: "kubernetes/sidecar: what names what",
        said: "the pod has no port `metric`",
    },
    Fault {
        file: "kubernetes/sidecar/statefulset.yaml",
        right: "drop: [ALL]",
        wrong: "drop: [NET_RAW]",
        check: "kubernetes/sidecar: hardening",
        said: "`readside` keeps capabilities",
    },
    Fault {
        file: "kubernetes/sidecar/statefulset.yaml",
        right: "path: /readyz",
        wrong: "path: /ready",
        check: "kubernetes/sidecar: ConfigMap shop-readside: a daemon answers its probes",
        said: "/ready 404",
    },
    Fault {
        file: "helm/readside/templates/statefulset.yaml",
        right: "containerPort: {{ .Values.ports.http }}",
        wrong: "containerPort: 8080",
        check: "helm, release `other`: ports, probes, time and memory as configured",
        said: "port `http` is 8080, the configuration listens on 0.0.0.0:18080",
    },
    Fault {
        file: "helm/readside/values.schema.json",
        right: "\"minProperties\": 1",
        wrong: "\"minProperties\": 0",
        check: "helm: values.schema.json takes the values of the shop, and refuses others",
        said: "values without files: not refused",
    },
    Fault {
        file: "compose/compose.yaml",
        right: "read_only: true",
        wrong: "readonly: true",
        check: "compose: the specification's schema",
        said: "readonly",
    },
    Fault {
        file: "compose/prometheus.yaml",
        right: "scrape_interval: 15s",
        wrong: "scrape_intervall: 15s",
        check: "compose: promtool reads the configuration of Prometheus",
        said: "scrape_intervall",
    },
    Fault {
        file: "systemd/readside.service",
        right: "ProtectHome=yes",
        wrong: "ProtectHouse=yes",
        check: "systemd: systemd-analyze verify",
        said: "ProtectHouse",
    },
    Fault {
        file: "systemd/readside.service",
        right: "SystemCallFilter=@system-service",
        wrong: "",
        check: "systemd: exposure of at most",
        said: "exposure level",
    },
    Fault {
        file: "systemd/readside.service",
        right: "MemoryMax=4G",
        wrong: "MemoryMax=3G",
        check: "systemd: memory as configured",
        said: "nothing is left for state",
    },
    Fault {
        file: "container/Containerfile",
        right: "USER 65532:65532",
        wrong: "USER nonroot",
        check: "container: user, volume, ports and health check",
        said: "USER is root, or no number",
    },
];

#[test]
fn the_tools_and_the_program_take_the_files() {
    let (is_fine, said) = checks(Path::new(DEPLOY));
    assert!(is_fine, "{said}");
}

/// All faults at once, because each run starts several daemons.
#[test]
fn each_check_finds_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp").arg("-r").arg(DEPLOY).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let copy = folder.path().join("deploy");
    for fault in FAULTS {
        let path = copy.join(fault.file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(fault.right), "{} has no `{}`", fault.file, fault.right);
        std::fs::write(&path, text.replacen(fault.right, fault.wrong, 1)).unwrap();
    }
    let (is_fine, said) = checks(&copy);
    if said.starts_with("skipped everything") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{said}");
        return;
    }
    assert!(!is_fine, "{said}");
    for fault in FAULTS {
        let line = said.lines().find(|line| line.get(8..).is_some_and(|rest| rest.starts_with(fault.check)));
        let line = line.unwrap_or_else(|| panic!("no check `{}` in\n{said}", fault.check));
        // A tool for it cannot be had.
        if line.starts_with("skipped") && std::env::var("CI").as_deref() != Ok("true") {
            continue;
        }
        assert!(line.starts_with("WRONG") && line.contains(fault.said), "`{}`: {line}", fault.wrong);
    }
}

/// Whether nothing is wrong with the files of a folder, and all that is said of them.
fn checks(folder: &Path) -> (bool, String) {
    let output = Command::new(SCRIPT).arg(folder).env("READSIDE_BIN", binary()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
