//! A gateway with every tool of the API for sellers, for the tests of what sellers do.

use scope3_mcp_gateway::{
    Api, ClientConfig, GatewayConfig, Profile, ResponseMemory,
    catalog::{Catalog, Surface},
    policy::{Policy, Selection},
};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::Rig;

/// A gateway to the API at `url`, changed by `change`.
pub(crate) fn rig(url: &str, change: impl FnOnce(GatewayConfig) -> GatewayConfig) -> Rig {
    Rig::changed(url, |parts| {
        let surfaces = vec![Surface::Storefront];
        let catalog = Catalog::of_surfaces(&surfaces);
        let choice = Selection { toolsets: Some(vec!["all".to_owned()]), surfaces, ..Selection::default() };
        let profile = Profile::of(Surface::Storefront).unwrap();
        let memory = ResponseMemory::new(256 << 20);
        let base = url.parse().unwrap();
        let api = Api::new(profile, base, ClientConfig::default(), memory, profile.quotas.to_vec());
        let policy = Policy::new(&catalog, choice).unwrap();
        change(GatewayConfig { catalog, policy, surfaces: [api].into_iter().collect(), ..parts })
    })
}

/// An answer of the API.
pub(crate) fn answer(data: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "data": data, "error": null }))
}
