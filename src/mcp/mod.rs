//! The MCP server: lists the catalog's tools and passes calls to the [gateway](scope3_mcp_gateway).
//!
//! It supports every protocol version that rmcp supports, over any transport. It does not depend on HTTP.

mod call;
mod consent;
mod found;
mod instructions;
mod listeners;
mod listing;
mod resources;
mod results;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, DiscoverResult,
        ErrorCode, Extensions, Implementation, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
        ServerConfig, Tool,
    },
    service::{NotificationContext, RequestContext},
};
use scope3_mcp_gateway::{
    CallSlot, Caller, Gateway, KeyOwner, MemoryHolder, catalog::shortened, credentials::KeyRing,
    policy::Narrowing,
};
use tokio_util::sync::CancellationToken;

use self::found::Found;
pub use self::listeners::Listeners;

/// How long clients may cache the tool list. Without a policy file the list does not change while the server runs.
const TOOL_LIST_TTL: Duration = Duration::from_hours(1);

/// How long they may cache it if the operator has a policy file, which can change.
const CHANGING_TOOL_LIST_TTL: Duration = Duration::from_mins(1);

/// Where a request gets its keys.
#[derive(Clone)]
pub enum Keys {
    /// The server's own keys.
    Own(Arc<KeyRing>),
    /// The keys that the transport finds in the request.
    OfRequest(fn(&Extensions) -> Option<Arc<KeyRing>>),
}

/// The large arguments of a call, as JSON text. A transport passes them in the message's extensions, because parsed
/// JSON takes many times the memory of its text.
#[derive(Debug, Clone)]
pub struct LargeArguments(pub Bytes);

/// The MCP server. Clones share its state.
#[derive(Clone)]
pub struct Server {
    gateway: Arc<Gateway>,
    keys: Keys,
    traceparent: fn(&Extensions) -> Option<HeaderValue>,
    call_slot: fn(&Extensions) -> Option<CallSlot>,
    session: fn(&Extensions) -> Option<String>,
    narrowing: fn(&Extensions) -> Option<Narrowing>,
    large_arguments: fn(&Extensions) -> Option<LargeArguments>,
    is_reachable: fn(&Extensions) -> bool,
    memory_holder: fn(&Extensions) -> Option<MemoryHolder>,
    end_of_answers: CancellationToken,
    listeners: Option<Listeners>,
    found: Option<Arc<Found>>,
}

impl Server {
    /// Creates a server that offers the gateway's tools.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, keys: Keys) -> Self {
        Self {
            gateway,
            keys,
            traceparent: |_| None,
            call_slot: |_| None,
            session: |_| None,
            narrowing: |_| None,
            large_arguments: |message| message.get().cloned(),
            is_reachable: |_| true,
            memory_holder: |message| message.get().cloned(),
            end_of_answers: CancellationToken::new(),
            listeners: None,
            found: None,
        }
    }

    /// Adds the tools that a session finds to its list.
    #[must_use]
    pub fn with_found_tools(self, adds: bool) -> Self {
        Self { found: adds.then(Arc::default), ..self }
    }

    /// The server for one more session: it shares all but what a session finds.
    #[must_use]
    pub fn for_session(&self) -> Self {
        let adds = self.found.is_some();
        self.clone().with_found_tools(adds)
    }

    /// Lets sessions hear when the list of tools changes.
    #[must_use]
    pub fn with_listeners(self, listeners: Option<Listeners>) -> Self {
        Self { listeners, ..self }
    }

    /// Sets the function that finds the trace context of a request without one in its `_meta`.
    #[must_use]
    pub fn with_traceparent(self, traceparent: fn(&Extensions) -> Option<HeaderValue>) -> Self {
        Self { traceparent, ..self }
    }

    /// Sets the function that finds a request's slot among the concurrent calls.
    #[must_use]
    pub fn with_call_slot(self, call_slot: fn(&Extensions) -> Option<CallSlot>) -> Self {
        Self { call_slot, ..self }
    }

    /// Sets the function that names the session of a request, for transports that have sessions.
    #[must_use]
    pub fn with_session(self, session: fn(&Extensions) -> Option<String>) -> Self {
        Self { session, ..self }
    }

    /// Sets the function that finds what a request leaves of the operator's selection of tools.
    #[must_use]
    pub fn with_narrowing(self, narrowing: fn(&Extensions) -> Option<Narrowing>) -> Self {
        Self { narrowing, ..self }
    }

    /// Sets the function that finds the memory holder of a result, for transports that keep it elsewhere in the
    /// request.
    #[must_use]
    pub fn with_memory_holder(self, memory_holder: fn(&Extensions) -> Option<MemoryHolder>) -> Self {
        Self { memory_holder, ..self }
    }

    /// Sets the function that finds large arguments, for transports that keep them elsewhere in the request.
    #[must_use]
    pub fn with_large_arguments(self, large_arguments: fn(&Extensions) -> Option<LargeArguments>) -> Self {
        Self { large_arguments, ..self }
    }

    /// Sets the function that finds whether the client can receive requests while it waits for the response.
    #[must_use]
    pub fn with_reachability(self, is_reachable: fn(&Extensions) -> bool) -> Self {
        Self { is_reachable, ..self }
    }

    /// Sets the token that a transport cancels when no answer of the client can arrive any more.
    #[must_use]
    pub fn with_end_of_answers(self, end_of_answers: CancellationToken) -> Self {
        Self { end_of_answers, ..self }
    }

    /// Whether clients hear of changes of the list.
    fn list_can_change(&self) -> bool {
        self.listeners.is_some() || self.found.is_some()
    }

    /// The keys of a request, and whose they are.
    fn caller_keys(&self, context: &RequestContext<RoleServer>) -> (Arc<KeyRing>, KeyOwner) {
        match &self.keys {
            Keys::Own(keys) => (Arc::clone(keys), KeyOwner::Server),
            Keys::OfRequest(find) => {
                let keys = find(&context.extensions).unwrap_or_else(|| Arc::new(KeyRing::empty()));
                (keys, KeyOwner::Caller)
            }
        }
    }

    /// The caller of a request that calls no tool.
    fn reader(&self, context: &RequestContext<RoleServer>) -> Caller {
        let (keys, key_owner) = self.caller_keys(context);
        Caller::new(keys, key_owner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let (title, notice) = instructions::title_and_notice(self.gateway.target());
        let instructions = instructions::instructions(&self.gateway.surfaces());
        let capabilities = ServerCapabilities::builder().enable_resources().enable_tools();
        let capabilities =
            if self.list_can_change() { capabilities.enable_tool_list_changed() } else { capabilities };
        ServerConfig::new(capabilities.build())
            .with_server_info(
                Implementation::new("scope3-mcp", env!("CARGO_PKG_VERSION"))
                    .with_title(title)
                    .with_description("Scope3's advertising platform for AI agents"),
            )
            .with_instructions(format!("{notice}{instructions}"))
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(found) = &self.found {
            found.open();
        }
        if let Some(listeners) = &self.listeners {
            listeners.add(context.peer);
        }
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info())
            .with_ttl_ms(millis(TOOL_LIST_TTL))
            .with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // One page has all tools, because some clients never request a second page.
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params(
                "unknown cursor: this server lists all tools on one page",
                None,
            ));
        }
        self.gateway.policy().refresh().await;
        let narrowing = (self.narrowing)(&context.extensions);
        let is_found = |name: &str| self.found.as_ref().is_some_and(|found| found.has(name));
        let offered = self.gateway.offered(narrowing.as_ref(), is_found);
        let mut page =
            ListToolsResult::with_all_items(offered.iter().map(|entry| listing::tool(entry)).collect());
        let can_change = self.gateway.policy().rules().is_some() || self.list_can_change();
        page.ttl_ms = Some(millis(if can_change { CHANGING_TOOL_LIST_TTL } else { TOOL_LIST_TTL }));
        // Another request may be offered other tools.
        let scope = if narrowing.is_some() || self.found.is_some() {
            CacheScope::Private
        } else {
            CacheScope::Public
        };
        page.cache_scope = Some(scope);
        Ok(page)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(self.list_results(&self.reader(&context)).await)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.read_kept(&self.reader(&context), request).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.gateway.find_offered(name).map(|entry| listing::tool(&entry))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tokio::select! {
            response = self.call(request, &context) => response,
            // This drops the call, and with it the request to Scope3.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
        }
    }

    /// rmcp calls this for requests that it cannot parse.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let redactor = self.caller_keys(&context).0.redactor();
        let malformed = |why: Option<serde_json::Error>| {
            let why = why.map_or_else(|| "params are missing".to_owned(), |error| error.to_string());
            // The parser repeats values.
            ErrorData::invalid_params(format!("{}: {}", request.method, redactor.redact(&why)), None)
        };
        match request.method.as_str() {
            "tools/call" => Err(malformed(request.params_as::<CallToolRequestParams>().err())),
            "tools/list" => Err(malformed(request.params_as::<PaginatedRequestParams>().err())),
            method => Err(ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                format!("method not found: `{}`", shortened(&redactor.redact(method))),
                None,
            )),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A `_meta` object with this server's members.
fn meta<const N: usize>(members: [(&str, serde_json::Value); N]) -> MetaObject {
    MetaObject(members.into_iter().map(|(name, value)| (format!("scope3-mcp/{name}"), value)).collect())
}
