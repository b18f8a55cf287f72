#![allow(clippy::unwrap_used)]

use super::*;

/// Of variables written `NAME=value`.
fn read(variables: &[&str]) -> Result<Option<Settings>, OtlpError> {
    let variables = variables.iter().map(|variable| variable.split_once('=').unwrap());
    Settings::read(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Where each signal goes.
fn endpoints(variables: &[&str]) -> [Option<String>; 3] {
    let Some(settings) = read(variables).unwrap() else { return [None, None, None] };
    let [traces, metrics, logs] = [settings.traces, settings.metrics, settings.logs];
    [traces, metrics, logs].map(|target| target.map(|target| target.endpoint.to_string()))
}

#[test]
fn nothing_is_exported_unasked() {
    assert!(read(&[]).unwrap().is_none());
    assert!(read(&["OTEL_SERVICE_NAME=orders", "OTEL_TRACES_SAMPLER=always_on"]).unwrap().is_none());
    assert!(read(&["OTEL_EXPORTER_OTLP_ENDPOINT="]).unwrap().is_none());
    assert!(read(&["OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_SDK_DISABLED=true"]).unwrap().is_none());
    let none = ["OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none"];
    assert!(read(&[&none[..], &["OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"]].concat()).unwrap().is_none());
}

#[test]
fn an_endpoint_of_a_signal_is_as_it_is_written_and_that_of_all_gets_a_path() {
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/";
    let told = |text: &str| Some(text.to_owned());
    let expected = ["http://c:4318/v1/traces", "http://c:4318/v1/metrics", "http://c:4318/v1/logs"].map(told);
    assert_eq!(endpoints(&[all]), expected);
    let own = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=https://other/in";
    assert_eq!(endpoints(&[own]), [None, None, told("https://other/in")]);
    assert_eq!(
        endpoints(&[all, own, "OTEL_METRICS_EXPORTER=none"]),
        [expected[0].clone(), None, told("https://other/in")]
    );
    assert_eq!(endpoints(&["OTEL_TRACES_EXPORTER=otlp"]), [told("http://localhost:4318/v1/traces"), None, None]);
}

#[test]
fn what_cannot_be_obeyed_is_said() {
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318";
    let cases = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "only `http/protobuf` is spoken here"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/json", "only `http/protobuf` is spoken here"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "nothing is compressed here"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT=10s", "a number of milliseconds"),
        ("OTEL_EXPORTER_OTLP_HEADERS=authorization", "no `key=value` as entry 1"),
        ("OTEL_EXPORTER_OTLP_HEADERS=a=b,c d=secret", "has `c d`, which names no header"),
        ("OTEL_EXPORTER_OTLP_HEADERS=a=secret%0A", "has no valid value for `a`"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY=key.pem", "no client certificate is sent here"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=c:4318", "has to be a URL"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://me:secret@c:4318", "belong into `OTEL_EXPORTER_OTLP_HEADERS`"),
        ("OTEL_TRACES_EXPORTER=zipkin", "can be `otlp`, `none`"),
        ("OTEL_TRACES_SAMPLER=jaeger_remote", "can be `parentbased_always_on`"),
        ("OTEL_TRACES_SAMPLER_ARG=2", "a number from 0 to 1"),
        ("OTEL_RESOURCE_ATTRIBUTES=team", "no `key=value` as entry 1"),
        ("OTEL_PROPAGATORS=tracecontext,b3", "only `tracecontext` is read here"),
        ("OTEL_BSP_MAX_QUEUE_SIZE=many", "a whole number"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta", "can be `cumulative`"),
        ("OTEL_CONFIG_FILE=otel.yaml", "only variables are read here"),
    ];
    for (variable, expected) in cases {
        let error = read(&[all, variable]).unwrap_err();
        let (name, _) = variable.split_once('=').unwrap();
        let told = error.to_string();
        assert!(error.variable == name && told.contains(expected) && !told.contains("secret"), "{variable}: {told}");
    }
}

#[test]
fn headers_and_attributes_are_decoded_and_own_ones_win() {
    let settings = read(&[
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318",
        "OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20abc=, x = y ",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS=x=z",
        "OTEL_EXPORTER_OTLP_TIMEOUT=250",
        "OTEL_RESOURCE_ATTRIBUTES=team=a%2Cb,service.name=other,service.instance.id=one",
        "OTEL_SERVICE_NAME=orders",
        "HOSTNAME=pod-1",
        "OTEL_TRACES_SAMPLER=parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG=0.25",
        "OTEL_PROPAGATORS=none",
        "OTEL_LOG_LEVEL=debug",
        "OTEL_EXPORTER_OTLP_INSECURE=true",
    ]);
    let settings = settings.unwrap().unwrap();
    let shown = |target: &Option<Target>| format!("{:?}", target.as_ref().unwrap().headers);
    assert_eq!(shown(&settings.metrics), r#"[("authorization", "Basic abc="), ("x", "y")]"#);
    assert_eq!(shown(&settings.logs), r#"[("x", "z")]"#);
    assert_eq!(settings.metrics.unwrap().timeout, Duration::from_millis(250));
    let of = |key: &'static str| settings.resource.get(&key.into()).map(|value| value.to_string()).unwrap_or_default();
    assert_eq!(["service.name", "service.instance.id", "team"].map(of), ["orders", "one", "a,b"]);
    assert_eq!(format!("{:?}", settings.sampler), "ParentBased(TraceIdRatioBased(0.25))");
    assert!(!settings.continues);
    assert_eq!(settings.unread, ["OTEL_EXPORTER_OTLP_INSECURE", "OTEL_LOG_LEVEL"]);
}
