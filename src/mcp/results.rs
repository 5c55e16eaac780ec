//! Converts the outcome of a call to a tool result.
//!
//! Some clients show the model `content`, others `structuredContent`, so each is complete by itself.

use rmcp::model::{CallToolResult, ContentBlock};
use scope3_mcp_gateway::{Success, failure::Failure};
use serde_json::json;

pub(super) fn success(success: Success) -> CallToolResult {
    let sentence = success.sentence.clone();
    let data = success.into_value();
    let text = sentence.unwrap_or_else(|| data.to_string());
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(data);
    result
}

pub(super) fn failure(failure: &Failure) -> CallToolResult {
    let body = json!(failure);
    let mut result = CallToolResult::error(vec![ContentBlock::text(body.to_string())]);
    result.structured_content = Some(body);
    result
}
