//! How a conversation begins: what a client says of itself, and what it is asked for.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, ConnectionHandle, METADATA_USER, PgWireConnectionState, PidSecretKeyGenerator};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::startup::{Authentication, Startup};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::super::errors::fatal;
use super::Conversation;
use crate::serve::auth::Identity;

/// Who reads without a token, where that is allowed, says so: others are asked for theirs.
const ANONYMOUS: &str = "anonymous";
/// What a client says of a connection that is none of a session.
const OF_CONNECTION: [&str; 4] = ["user", "database", "options", "replication"];

#[async_trait]
impl StartupHandler for Conversation {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                protocol_negotiation(client, &startup).await?;
                self.begin(&startup)?;
                self.session().user = startup.parameters.get(METADATA_USER).cloned().unwrap_or_default();
                save_startup_parameters_to_metadata(client, &startup);
                let is_anonymous = client.metadata().get(METADATA_USER).is_some_and(|user| user == ANONYMOUS);
                match self.door.gate.identity(None, self.certified.as_ref()) {
                    Ok(Identity::Anonymous) if !is_anonymous => self.ask(client).await,
                    Ok(_) => self.let_in(client).await,
                    Err(_) => self.ask(client).await,
                }
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let token = message.into_password()?.password;
                self.identity(Some(&token)).map_err(|denied| fatal("28P01", denied.to_string()))?;
                self.session().token = Some(token);
                self.let_in(client).await
            }
            _ => Err(fatal("08P01", "a startup message or a password is expected")),
        }
    }
}

impl Conversation {
    /// Takes what a client says of its session.
    fn begin(&self, startup: &Startup) -> PgWireResult<()> {
        if startup.parameters.get("replication").is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "0")) {
            return Err(fatal("0A000", "there is no replication here; `readside tap` has what changes"));
        }
        let mut session = self.session();
        for (name, value) in &startup.parameters {
            if OF_CONNECTION.contains(&name.as_str()) {
                continue;
            }
            // A driver says where its clock hangs, and is told which zone holds.
            let result = session.settings.set(name, Some(value), false);
            if name.starts_with("readside.") {
                result.map_err(into_fatal)?;
            }
        }
        let options = startup.parameters.get("options").map(String::as_str).unwrap_or_default();
        let said = options.replace("-c ", "-c").replace("--", "-c");
        for option in said.split_whitespace() {
            let written = option.strip_prefix("-c").and_then(|option| option.split_once('='));
            let (name, value) = written.ok_or_else(|| fatal("22023", format!("the option `{option}` is none")))?;
            session.settings.set(name, Some(value), false).map_err(into_fatal)?;
        }
        Ok(())
    }

    async fn ask<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        client.set_state(PgWireConnectionState::AuthenticationInProgress);
        client.send(PgWireBackendMessage::Authentication(Authentication::CleartextPassword)).await?;
        Ok(())
    }

    async fn let_in<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.known.set();
        let (pid, key) = self.door.keys.generate(client);
        client.set_pid_and_secret_key(pid, key.clone());
        let (handle, guard) = self.door.cancels.register(pid, key);
        client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
        client.session_extensions().insert(guard);
        finish_authentication(client, self).await
    }
}

fn into_fatal(error: PgWireError) -> PgWireError {
    let info = ErrorInfo::from(error);
    fatal(&info.code, info.message)
}

impl ServerParameterProvider for Conversation {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let session = self.session();
        let told = session.settings.told_at_start().map(|(name, value)| (name.to_owned(), value));
        let user = client.metadata().get(METADATA_USER).map(|user| ("session_authorization".to_owned(), user.clone()));
        Some(told.chain(user).collect())
    }
}
