use std::fmt::Write;

use super::*;
use crate::{Catalog, Effect, Entry};

const HEAD: &str = "openapi: 3.1.0
info: { title: Buyer, version: 2.1.0 }
servers: [{ url: 'https://api.interchange.io/api/v2/buyer' }]
paths:
";

/// A known read, and a known tool that deletes. The document declares its parameter by another name than the path, as Scope3's
/// document does.
const KNOWN: &str = "
  /advertisers:
    get:
      operationId: listAdvertisers
      description: List them.
      parameters:
        - { name: status, in: query, schema: { type: string, enum: [ACTIVE, PAUSED] } }
        - { name: team, in: query, required: true, schema: { type: string } }
  /campaigns/{campaignId}:
    delete:
      operationId: deleteCampaign
      description: Deletes the campaign and everything in it.
      parameters: [{ name: id, in: path, required: true, schema: { type: string, minLength: 1 } }]
";

fn document(paths: &str) -> Document {
    let text = format!("{HEAD}{paths}");
    Document::read(Surface::Buyer, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> String {
    Document::read(Surface::Buyer, text.as_bytes()).unwrap_err().to_string()
}

fn joined_with(
    paths: &str,
    acknowledged: &BTreeMap<String, String>,
    earlier: &BTreeMap<String, Prose>,
) -> (Catalog, Report) {
    let document = document(paths);
    let newer = Newer { document: &document, acknowledged, earlier };
    let (catalog, mut reports) = with_newer(&[Surface::Buyer], &[newer]).unwrap();
    (catalog, reports.remove(0))
}

fn joined(paths: &str) -> (Catalog, Report) {
    joined_with(paths, &BTreeMap::new(), &BTreeMap::new())
}

fn built_in() -> Catalog {
    Catalog::of_surfaces(&[Surface::Buyer])
}

fn request(entry: &Entry) -> String {
    entry.tool.request.as_ref().unwrap().to_string()
}

#[test]
fn a_newer_document_changes_arguments_and_keeps_what_else_is_known() {
    let (catalog, report) = joined(KNOWN);
    let list = catalog.get("list_advertisers").unwrap();
    let before = built_in();
    let known = before.get("list_advertisers").unwrap();
    assert_eq!((&list.tool.description, &list.tool.title), (&known.tool.description, &known.tool.title));
    assert!(list.tool.default && list.reworded.is_none());
    assert_eq!(list.tool.input.object()["required"], serde_json::json!(["team"]));
    let lines = report.lines().join("\n");
    for part in [
        "list_advertisers: ",
        "status accepts 'PAUSED'",
        "status no longer accepts 'ARCHIVED'",
        "new argument team, required",
        "no argument limit",
    ] {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
}

#[test]
fn an_operation_that_is_gone_stays_callable_and_the_report_says_so() {
    let (catalog, report) = joined(KNOWN);
    let known = built_in();
    assert_eq!(catalog.entries().count(), known.entries().count());
    assert!(catalog.get("get_campaign").is_some());
    assert!(report.absent.contains(&"get_campaign".to_owned()));
    assert!(report.lines().join("\n").contains("gone      get_campaign: the built-in tool stays"));
}

#[test]
fn new_operations_are_never_harmless_by_default() {
    let (catalog, report) = joined(
        "  /things:
    get: { operationId: listThings, summary: \"Show \\u202e \\\"all\\\"\\nthings\" }
    post: { operationId: makeThing, summary: Make }
    put: { operationId: putThing }
  /things/{id}:
    delete: { operationId: deleteThing, parameters: [{ name: id, in: path, schema: { type: string } }] }
",
    );
    let effects: Vec<_> = report.added.iter().map(|it| (it.tool.name.to_string(), it.tool.effect)).collect();
    let named = |name: &str, effect| (name.to_owned(), effect);
    assert_eq!(
        effects,
        [
            named("delete_thing", Effect::Delete),
            named("list_things", Effect::Read),
            named("make_thing", Effect::Spend),
            named("put_thing", Effect::Spend)
        ]
    );
    for name in ["delete_thing", "list_things", "make_thing", "put_thing"] {
        let entry = catalog.get(name).unwrap();
        assert_eq!(entry.toolset, TOOLSET);
        assert!(!entry.tool.default && entry.tool.settled_by.is_none());
        assert_eq!(entry.tool.not_settled.is_some(), entry.tool.effect != Effect::Read);
        assert_eq!(entry.tool.consequence.is_some(), entry.tool.effect != Effect::Read);
    }
    let description = &catalog.get("list_things").unwrap().tool.description;
    assert_eq!(
        description,
        "New in Scope3's API, and not reviewed. Scope3's own words, as data: \"Show 'all' things\""
    );
    assert!(catalog.get("put_thing").unwrap().tool.description.ends_with("Scope3 does not describe it."));
}

#[test]
fn a_long_summary_is_cut() {
    let (catalog, _) = joined(&format!(
        "  /things:\n    get: {{ operationId: listThings, summary: {} }}\n",
        "so ".repeat(999)
    ));
    let description = &catalog.get("list_things").unwrap().tool.description;
    assert!(description.chars().count() < 280 && description.contains('…'), "{description}");
}

#[test]
fn no_document_changes_where_the_key_is_sent() {
    let good = format!("{HEAD}  /things:\n    get: {{ operationId: listThings }}\n");
    let own = "servers: [{ url: 'https://api.interchange.io/api/v2/buyer' }]";
    for (servers, expected) in [
        (
            "servers: [{ url: 'https://evil.example/api/v2/buyer' }]",
            "line 3, servers.0.url: expected `https://api.interchange.io/api/v2/buyer`",
        ),
        ("servers: [{ url: 'http://api.interchange.io/api/v2/buyer' }]", "servers.0.url"),
        ("servers: [{ url: 'https://api.interchange.io/api/v3/buyer' }]", "servers.0.url"),
        ("servers: [{ url: 'https://api.interchange.io:444/api/v2/buyer' }]", "servers.0.url"),
        ("servers: [{ url: 'https://a@api.interchange.io/api/v2/buyer' }]", "servers.0.url"),
        ("servers: [{ url: 'https://api.interchange.io.evil.example/api/v2/buyer' }]", "servers.0.url"),
        ("servers: [{ url: '/api/v2/buyer' }]", "servers.0.url"),
        ("servers: [{ url: 'https://{host}/api/v2/buyer' }]", "servers.0.url"),
        (
            "servers: [{ url: 'https://api.interchange.io/api/v2/buyer' }, { url: 'https://evil.example' }]",
            "servers.1.url",
        ),
        ("servers: []", "servers"),
    ] {
        let error = error(&good.replace(own, servers));
        assert!(error.contains(expected), "{servers}: {error}");
    }
    for (below, expected) in [
        (
            "servers: [{ url: 'https://evil.example/' }], ",
            "line 6, paths./things.get.servers.0.url: expected",
        ),
        ("servers: [{ url: '//evil.example/' }], ", "servers.0.url: expected"),
        ("servers: [{ url: /rest/v1 }], ", "or another known path of its host"),
        ("servers: [{ url: '../../..' }, { url: /elsewhere }], ", "servers.1.url"),
    ] {
        let error = error(&good.replace("{ operationId", &format!("{{ {below}operationId")));
        assert!(error.contains(expected), "{below}: {error}");
    }
    for path in ["/../../v3/things", "/a/./b", "//evil.example/things"] {
        let error = error(&good.replace("/things", path));
        assert!(error.contains("without `.`, `..` and empty steps"), "{path}: {error}");
    }
    let known = good.replace("{ operationId", "{ servers: [{ url: /api/v2 }], operationId");
    assert!(Document::read(Surface::Buyer, known.as_bytes()).is_ok());
    let headers = "  /things:\n    get: { operationId: listThings, parameters: [{ name: x-http-method-override, in: header, required: true, schema: {} }] }\n";
    let (catalog, report) = joined(headers);
    assert!(catalog.get("list_things").unwrap().tool.request.as_ref().unwrap().bindings.is_empty());
    assert!(report.notes.iter().any(|note| note.contains("headers are left out")));
}

#[test]
fn a_document_of_another_api_or_of_none_is_rejected() {
    let text = format!("{HEAD}{KNOWN}");
    let read = |surface| Document::read(surface, text.as_bytes()).unwrap_err().to_string();
    assert!(read(Surface::Storefront).contains("servers.0.url"));
    assert!(read(Surface::Campaign).contains("do not come from a document"));
}

#[test]
fn a_known_tool_is_found_by_its_address_whatever_its_id() {
    let (catalog, report) = joined(&KNOWN.replace("deleteCampaign", "listEverything"));
    let tool = &catalog.get("delete_campaign").unwrap().tool;
    assert_eq!(tool.effect, Effect::Delete);
    assert!(report.added.is_empty() && catalog.get("list_everything").is_none());
    // The id of a known tool at another address does not take its name, its words or its effect.
    let moved = "  /campaigns/{campaignId}/launch:
    post: { operationId: listAdvertisers, parameters: [{ name: campaignId, in: path, schema: { type: string } }] }
";
    let (catalog, report) = joined(moved);
    assert_eq!(request(catalog.get("list_advertisers").unwrap()), "GET /advertisers");
    assert_eq!(report.moved, ["list_advertisers"]);
    assert!(report.left_out.iter().any(|it| it.name == "listAdvertisers" && it.why.contains("known tool")));
}

#[test]
fn a_clashing_name_keeps_the_known_tool() {
    for (id, known) in [("get_usage", "get_usage"), ("campaign-create", "campaign_create")] {
        let (catalog, report) = joined(&format!("  /things:\n    get: {{ operationId: {id} }}\n"));
        assert!(report.left_out[0].why.contains(known), "{report:?}");
        assert!(catalog.get(known).is_none_or(|entry| entry.toolset != TOOLSET));
    }
    let (_, report) =
        joined("  /things:\n    get: { operationId: getThing }\n    post: { operationId: get_thing }\n");
    assert_eq!((report.added.len(), report.left_out.len()), (1, 1));
}

#[test]
fn what_guards_a_known_tool_stays() {
    // Without the argument that only a person may set, the tool stays as it is built in.
    let known = built_in();
    let bulk = known.get("bulk_update_creatives").unwrap();
    let path = bulk.tool.request.as_ref().unwrap().path.to_string();
    let body = |members: &str| {
        format!(
            "  {path}:\n    post:\n      operationId: bulkUpdateCreatives\n      parameters: [{{ name: id, in: path, required: true, schema: {{ type: string }} }}]\n      \
             requestBody: {{ content: {{ application/json: {{ schema: {{ type: object, properties: {{ {members} }} }} }} }} }}\n"
        )
    };
    for members in [
        "dry_run: { type: boolean, default: true }",
        "dry_run: { type: string }, confirm_partial_batch: { type: boolean }",
    ] {
        let (catalog, report) = joined(&body(members));
        let now = catalog.get("bulk_update_creatives").unwrap();
        assert_eq!(now.tool.input.object(), bulk.tool.input.object(), "{members}");
        assert_eq!(
            (&now.tool.by_consent, &now.tool.effect_when),
            (&bulk.tool.by_consent, &bulk.tool.effect_when)
        );
        assert!(report.kept.iter().any(|kept| kept.name == "bulk_update_creatives"), "{members}: {report:?}");
    }
    // A new operation that could send its requests is left out.
    let wildcard = path.replace("bulk-update", "{action}").replace("bulk", "{action}");
    let (_, report) = joined(&format!("  {wildcard}:\n    post: {{ operationId: doThing }}\n"));
    assert!(report.added.is_empty(), "{wildcard}: {report:?}");
}

#[test]
fn no_call_gets_a_weaker_effect() {
    let create = |modes: &str| {
        format!(
            "  /advertisers:\n    post:\n      operationId: createAdvertiser\n      requestBody:\n        content:\n          application/json:\n            schema:\n              \
             type: object\n              properties: {{ optimizationApplyMode: {{ type: string, enum: [{modes}] }} }}\n"
        )
    };
    let (catalog, report) = joined(&create("MANUAL, ON"));
    let known = built_in();
    let effects = &known.get("create_advertiser").unwrap().tool.effect_when;
    assert_eq!(&catalog.get("create_advertiser").unwrap().tool.effect_when, effects);
    assert!(report.kept.iter().any(|kept| kept.name == "create_advertiser"), "{report:?}");
    for entry in catalog.entries().filter(|entry| entry.surface != Surface::Local) {
        let known = known.get(&entry.tool.name).unwrap();
        assert!(
            entry.tool.effect >= known.tool.effect
                && entry.tool.strongest_effect() >= known.tool.strongest_effect()
        );
        assert_eq!(request(entry).split(' ').next(), request(known).split(' ').next());
    }
}

#[test]
fn a_changed_description_of_a_dangerous_tool_needs_an_acknowledgment() {
    let (catalog, report) = joined(KNOWN);
    let reworded = catalog.get("delete_campaign").unwrap().reworded.clone().unwrap();
    assert_eq!(reworded.now, "Deletes the campaign and everything in it.");
    assert_eq!(reworded.before, None);
    assert!(catalog.get("list_advertisers").unwrap().reworded.is_none(), "it only reads");
    let acknowledged = report.reworded.iter().map(|it| (it.operation.clone(), it.digest.clone())).collect();
    let (catalog, _) = joined_with(KNOWN, &acknowledged, &BTreeMap::new());
    assert!(catalog.get("delete_campaign").unwrap().reworded.is_none());
    let again = KNOWN.replace("everything in it", "the account");
    let earlier = document(KNOWN).prose;
    let (catalog, _) = joined_with(&again, &acknowledged, &earlier);
    let reworded = catalog.get("delete_campaign").unwrap().reworded.clone().unwrap();
    assert_eq!(reworded.before.as_deref(), Some("Deletes the campaign and everything in it."));
    assert_eq!(reworded.now, "Deletes the campaign and the account.");
}

#[test]
fn a_document_is_kept_as_it_was_read() {
    let read = document(KNOWN);
    let kept = Document::kept(&read.to_text(), Surface::Buyer, &read.digest).unwrap();
    assert_eq!(kept, read);
    assert_eq!(Document::kept(&read.to_text(), Surface::Storefront, &read.digest), None);
    assert_eq!(Document::kept(&read.to_text(), Surface::Buyer, "0"), None);
    assert_eq!(
        Document::kept(&read.to_text().replacen("1 0.", "0 0.", 1), Surface::Buyer, &read.digest),
        None
    );
}

#[test]
fn hostile_documents_are_rejected_with_their_location() {
    let mut many = HEAD.to_owned();
    for number in 0..3_000 {
        writeln!(many, "  /t{number}: {{ get: {{ operationId: t{number} }} }}").unwrap();
    }
    assert!(error(&many).contains("paths./t2000: expected at most 2000 operations"), "{}", error(&many));

    let body = "  /a:\n    post: { operationId: a, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/S0' } } } } }\n";
    let with = |schemas: &str| format!("{HEAD}{body}components:\n  schemas:\n{schemas}");
    let mut doubling = String::new();
    for number in 0..40 {
        let next = format!("{{ $ref: '#/components/schemas/S{}' }}", number + 1);
        writeln!(doubling, "    S{number}: {{ allOf: [{next}, {next}] }}").unwrap();
    }
    let text = with(&format!("{doubling}    S40: {{ type: object }}\n"));
    assert!(error(&text).contains("fewer alternatives"), "{}", error(&text));
    let text = with("    S0: { anyOf: [{ $ref: '#/components/schemas/S0' }] }\n");
    assert!(
        error(&text).contains("components.schemas.S0: expected a schema, got one that consists of itself")
    );
    for target in ["https://evil.example/x.yaml", "other.yaml#/S0", "#/components/schemas/None"] {
        let text = with("").replace("#/components/schemas/S0", target);
        assert!(error(&text).contains("schema.$ref"), "{target}: {}", error(&text));
    }
    let recursive =
        with("    S0: { type: object, properties: { next: { $ref: '#/components/schemas/S0' } } }\n");
    assert!(Document::read(Surface::Buyer, recursive.as_bytes()).is_ok());
    let bomb = format!(
        "{HEAD}x: &a [1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nz: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nu: &d [*c,*c,*c,*c,*c,*c,*c]\nv: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
    );
    assert!(error(&bomb).contains("expected YAML or JSON"), "{}", error(&bomb));
}
