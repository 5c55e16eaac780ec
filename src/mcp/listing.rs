//! Converts a catalog entry to a tool of `tools/list`.

use rmcp::model::{Tool, ToolAnnotations};
use scope3_mcp_gateway::catalog::{Effect, Entry, Surface};

use super::meta;

/// A tool as clients see it. It has all four hints, because clients have different defaults for a missing hint.
pub(super) fn tool(entry: &Entry) -> Tool {
    let tool = &entry.tool;
    let effect = tool.strongest_effect();
    let hints = ToolAnnotations::new()
        .read_only(effect == Effect::Read)
        .destructive(matches!(effect, Effect::Delete | Effect::Spend))
        .idempotent(tool.is_idempotent())
        .open_world(entry.surface != Surface::Local);
    Tool::new(tool.name.clone(), tool.description.clone(), entry.shown_schema())
        .with_title(tool.title.clone())
        .with_annotations(hints)
        .with_meta(meta([
            ("effect", tool.effect.as_str().into()),
            ("toolset", (*entry.toolset).into()),
            ("surface", entry.surface.as_str().into()),
        ]))
}
