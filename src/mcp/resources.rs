//! Long results as MCP resources: what a model did not see of a result, for a short time and for its caller alone.

use rmcp::{
    ErrorData,
    model::{
        CacheScope, ListResourcesResult, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        Resource, ResourceContents,
    },
};
use scope3_mcp_gateway::{CallError, Caller, results::Kept};

use super::Server;

/// How the URI of a result begins. Its id follows.
const RESULTS: &str = "scope3-mcp://results/";

const JSON: &str = "application/json";

impl Server {
    pub(super) async fn list_results(&self, caller: &Caller) -> ListResourcesResult {
        let kept = self.gateway.all_kept(caller).await;
        let mut page = ListResourcesResult::with_all_items(kept.iter().map(resource).collect());
        // The next call can add a result.
        page.ttl_ms = Some(0);
        page.cache_scope = Some(CacheScope::Private);
        page
    }

    pub(super) async fn read_kept(
        &self,
        caller: &Caller,
        request: ReadResourceRequestParams,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let missing = || {
            let message =
                "there is no such resource: a result is kept for 10 minutes, for the key that received it";
            ErrorData::resource_not_found(message, None)
        };
        let id = request.uri.strip_prefix(RESULTS).ok_or_else(missing)?;
        let kept = self.gateway.kept(caller, id).await.map_err(no_key)?.ok_or_else(missing)?;
        let contents = ResourceContents::text(&*kept.json, request.uri).with_mime_type(JSON);
        let mut result = ReadResourceResult::new(vec![contents]);
        result.ttl_ms = Some(0);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result.into())
    }
}

fn resource(kept: &Kept) -> Resource {
    let mut resource = Resource::new(format!("{RESULTS}{}", kept.id), format!("{} {}", kept.tool, kept.id));
    resource.description = Some(format!("The whole result of a call of {}", kept.tool));
    resource.mime_type = Some(JSON.to_owned());
    resource.size = u64::try_from(kept.json.len()).ok();
    resource
}

fn no_key(error: CallError) -> ErrorData {
    ErrorData::invalid_request(error.to_string(), None)
}
