//! The catalog as Rust code.

use std::collections::BTreeMap;

use super::{
    Error,
    catalog::tool::{Input, Tool},
    literal::Literal,
};

/// The generated code.
#[derive(Default)]
pub(crate) struct Generated {
    /// The entries, as Rust expressions.
    entries: Vec<String>,
    /// The base URL of each surface with a contract.
    pub(crate) servers: Vec<(String, String)>,
    /// The names and texts of the schemas that entries share.
    shared: Vec<(String, String)>,
    /// The positions of the shared schemas of the surface in work.
    pub(crate) positions: BTreeMap<String, usize>,
}

impl Generated {
    /// Adds an entry. The program has nothing to parse when it starts.
    pub(crate) fn add(
        &mut self,
        (surface, also): (&str, &[&str]),
        toolset: &str,
        tool: &Tool<Input>,
        listed: &Input,
        published: &str,
    ) -> Result<(), Error> {
        let Tool {
            name,
            title,
            description,
            operation,
            request,
            answers,
            presents,
            keywords,
            effect,
            effect_when,
            money,
            subject,
            same_as,
            signed_upload,
            removes,
            consequence,
            spends,
            partial,
            by_consent,
            person,
            secrets,
            drop,
            empty,
            pending,
            checks,
            idempotent,
            idempotency,
            atomic,
            settled_by,
            not_settled,
            unchanged,
            limit,
            default,
            input,
            // They are in the input.
            arguments: _,
            corrections: _,
        } = tool;
        let fields = [
            ("name", name.literal()),
            ("title", title.literal()),
            ("description", description.literal()),
            ("operation", operation.literal()),
            ("request", request.literal()),
            ("answers", answers.literal()),
            ("presents", presents.literal()),
            ("keywords", keywords.literal()),
            ("effect", effect.literal()),
            ("effect_when", effect_when.literal()),
            ("money", money.literal()),
            ("subject", subject.literal()),
            ("same_as", same_as.literal()),
            ("signed_upload", signed_upload.literal()),
            ("removes", removes.literal()),
            ("consequence", consequence.literal()),
            ("spends", spends.literal()),
            ("partial", partial.literal()),
            ("by_consent", by_consent.literal()),
            ("person", person.literal()),
            ("secrets", secrets.literal()),
            ("drop", drop.literal()),
            ("empty", empty.literal()),
            ("pending", pending.literal()),
            ("checks", checks.literal()),
            ("idempotent", idempotent.literal()),
            ("idempotency", idempotency.literal()),
            ("atomic", atomic.literal()),
            ("settled_by", settled_by.literal()),
            ("not_settled", not_settled.literal()),
            ("unchanged", unchanged.literal()),
            ("limit", limit.literal()),
            ("default", default.literal()),
            ("arguments", "BTreeMap::new()".to_owned()),
            ("corrections", "Vec::new()".to_owned()),
            ("input", self.schema(input)?),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let listed =
            if listed == input { "None".to_owned() } else { format!("Some({})", self.schema(listed)?) };
        let surface = capitalized(surface);
        let others = also.iter().map(|name| format!("Surface::{}", capitalized(name)));
        let own = (!also.is_empty()).then(|| format!("Surface::{surface}"));
        let also: Vec<String> = own.into_iter().chain(others).collect();
        self.entries.push(format!(
            "Entry::new(Surface::{surface}, &[{}], Cow::Borrowed({toolset:?}), Tool {{ {} }}, {listed}, {published})",
            also.join(", "),
            fields.join(", ")
        ));
        Ok(())
    }

    /// A schema. The ones that it shares with others are embedded once.
    fn schema(&mut self, schema: &Input) -> Result<String, Error> {
        let mut schema = schema.clone();
        let mut positions = Vec::new();
        if let Some(serde_json::Value::Object(shared)) = schema.shift_remove("$defs") {
            for (name, schema) in shared {
                let next = self.shared.len();
                let position = *self.positions.entry(name.clone()).or_insert(next);
                if position == next {
                    self.shared.push((name, serde_json::to_string(&schema)?));
                }
                positions.push(position);
            }
        }
        let text = serde_json::to_string(&schema)?;
        Ok(format!("Schema::new({text:?}, &{positions:?})"))
    }

    pub(crate) fn code(&self) -> String {
        let Self { entries, shared, servers, .. } = self;
        let servers: Vec<String> =
            servers.iter().map(|(surface, url)| format!("(Surface::{surface}, {url:?})")).collect();
        let shared: Vec<String> = shared.iter().map(|(name, text)| format!("({name:?}, {text:?})")).collect();
        format!(
            "static ENTRIES: [Entry; {}] = [{}];\nstatic SHARED: [(&str, &str); {}] = [{}];\n\
             static SERVERS: [(Surface, &str); {}] = [{}];\n",
            entries.len(),
            entries.join(",\n"),
            shared.len(),
            shared.join(",\n"),
            servers.len(),
            servers.join(", ")
        )
    }
}

/// A name with its first letter in upper case, as variants have.
pub(crate) fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
