//! The listeners and their tasks.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::streams::streams;
use super::{Addresses, AppError};
use crate::access::Policies;
use crate::config::{Config, OnStale, Projection};
use crate::query::{Promise, Rules};
use crate::read_model::catalog::Catalog;
use crate::serve::audit::Audit;
use crate::serve::auth::Gate;
use crate::serve::connections::within_descriptors;
use crate::serve::http::{Admin, Api, CurrentApi, HealthServer, MetricsPage, MetricsServer, Readiness, Server};
use crate::serve::postgres::PostgresServer;
use crate::serve::tls::Tls;
use crate::telemetry;

/// For answers under way when everything else is done.
const FAREWELL: Duration = Duration::from_millis(500);

/// What is declared of relations for those who read them.
pub(super) fn rules(config: &Config, policies: Policies) -> Rules {
    let refusing = config.projections.iter().filter(|one| one.on_stale == OnStale::Refuse);
    let promise = |one: &Projection| Promise { max_lag: one.slo.map(|slo| slo.lag) };
    Rules { policies, promises: refusing.map(|one| (one.name.clone(), promise(one))).collect() }
}

/// The listeners and their tasks.
pub(super) struct Servers {
    pub(super) api: CurrentApi,
    tasks: Vec<JoinHandle<()>>,
    upkeep: JoinHandle<()>,
    /// Of the files of tokens, keys and certificates; and of what the audit log has left out.
    following: JoinHandle<()>,
}

impl Servers {
    pub(super) async fn start(
        config: &Config,
        policies: Policies,
        catalog: &Catalog,
        readiness: &Readiness,
        admin: Admin,
        stopped: &watch::Receiver<bool>,
        started: impl FnOnce(Addresses),
    ) -> Result<Self, AppError> {
        let handle = telemetry::install().map_err(|error| AppError::Metrics(error.to_string()))?;
        let upkeep = tokio::spawn(telemetry::upkeep(handle.clone()));
        let (catalog, readiness, queries) = (catalog.clone(), readiness.clone(), config.queries.clone());
        let api = Api::new(catalog, readiness, &config.http, &config.limits, queries, streams(config));
        let api = CurrentApi::from(api.map_err(AppError::Thread)?.administered_by(admin));
        api.rule(rules(config, policies));
        let failed = |key, listen: &str| {
            let listen = listen.to_owned();
            move |error| AppError::Listen { key, listen, error }
        };
        let gate = Gate::new(&config.auth)?;
        let (mut http, mut postgres) = (config.http.clone(), config.postgres.clone());
        let of_postgres = postgres.as_mut().map(|own| ("postgres", &mut own.connections));
        let mut listeners: Vec<_> = [("http", &mut http.connections)].into_iter().chain(of_postgres).collect();
        within_descriptors(&mut listeners);
        let limits = http.connections.clone();
        let http = Server::bind(&http, api.clone()).await.map_err(failed("http", &http.listen))?;
        let audit = Audit::default();
        let http = http.guarded_by(gate.clone()).audited_by(audit.clone());
        let tls = config.http.tls.as_ref().map(Tls::new).transpose()?;
        let http = tls.iter().fold(http, |http, tls| http.secured_by(tls.clone()));
        let page = MetricsPage::new(handle, api.clone());
        let metrics = MetricsServer::bind(&config.metrics_listen, &limits, page.clone())
            .await
            .map_err(failed("metrics", &config.metrics_listen))?;
        telemetry::push_metrics(move || page.render()).map_err(AppError::Thread)?;
        let health = match &config.health_listen {
            None => None,
            Some(listen) => {
                Some(HealthServer::bind(listen, &limits, api.clone()).await.map_err(failed("health", listen))?)
            }
        };
        let postgres = match &postgres {
            None => None,
            Some(own) => {
                let bound = PostgresServer::bind(own, api.clone(), gate.clone(), audit.clone()).await;
                Some(bound.map_err(failed("postgres", &own.listen))?)
            }
        };
        let postgres_tls = config.postgres.as_ref().and_then(|own| own.tls.as_ref()).map(Tls::new).transpose()?;
        let postgres = postgres.map(|own| postgres_tls.iter().fold(own, |own, tls| own.secured_by(tls.clone())));
        let addresses = Addresses {
            http: http.local_addr().map_err(AppError::Thread)?,
            metrics: metrics.local_addr().map_err(AppError::Thread)?,
            health: health.as_ref().map(HealthServer::local_addr).transpose().map_err(AppError::Thread)?,
            postgres: postgres.as_ref().map(PostgresServer::local_addr).transpose().map_err(AppError::Thread)?,
        };
        started(addresses);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let http = tokio::spawn(http.run(until(stopped.clone())));
        let metrics = tokio::spawn(metrics.run(until(stopped.clone())));
        let health = health.map(|health| tokio::spawn(health.run(until(stopped.clone()))));
        let postgres = postgres.map(|postgres| tokio::spawn(postgres.run(until(stopped.clone()))));
        let tasks = [http, metrics].into_iter().chain(health).chain(postgres).collect();
        let follow_tls = futures::future::join_all(tls.into_iter().chain(postgres_tls).map(Tls::follow));
        let following = tokio::spawn(async move {
            tokio::join!(gate.follow(), follow_tls, audit.follow());
        });
        Ok(Self { api, tasks, upkeep, following })
    }

    /// Waits for answers under way, not for long.
    pub(super) async fn finish(self) {
        self.upkeep.abort();
        self.following.abort();
        let deadline = tokio::time::Instant::now() + FAREWELL;
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout_at(deadline, task).await.is_err() {
                abort.abort();
            }
        }
    }
}
