//! Where a request is about: the collection and the item that its path names.

use scope3_mcp_catalog::Method;

use super::{
    super::{
        call::Call,
        envelope::{Answer, Refusal},
        market::Storefront,
        route::{Operation, Routes, Segment},
    },
    Object,
};

/// The path of a request, segment by segment, with the literals before each value.
pub(super) struct Place<'a> {
    pub(super) segments: Vec<(&'a Segment, String)>,
}

impl<'a> Place<'a> {
    pub(super) fn of(operation: &'a Operation, values: &[(String, String)]) -> Self {
        let text = |segment: &Segment| match segment {
            Segment::Literal(text) => text.clone(),
            Segment::Template(name) => values
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.clone())
                .unwrap_or_default(),
        };
        Self { segments: operation.path.iter().map(|segment| (segment, text(segment))).collect() }
    }

    /// The path of the first segments.
    pub(super) fn up_to(&self, length: usize) -> String {
        self.segments[..length].iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("/")
    }

    pub(super) fn whole(&self) -> String {
        self.up_to(self.segments.len())
    }

    /// The collection, and the id of the item.
    pub(super) fn split(&self) -> (String, String) {
        let above = self.segments.len() - 1;
        (self.up_to(above), self.segments[above].1.clone())
    }

    pub(super) fn item<'b>(&self, call: &'b Call<'_>) -> Answer<&'b Object> {
        let (collection, id) = self.split();
        call.account.things.get(&collection, &id).ok_or_else(|| Refusal::not_found("Object", &id))
    }

    pub(super) fn item_mut<'b>(&self, call: &'b mut Call<'_>) -> Answer<&'b mut Object> {
        let (collection, id) = self.split();
        call.account.things.get_mut(&collection, &id).ok_or_else(|| Refusal::not_found("Object", &id))
    }

    /// Checks that what the path names before its last segment exists. An object of a collection that nobody can see or
    /// fill is taken as it is.
    pub(super) fn check_parents(
        &self,
        call: &Call<'_>,
        operation: &Operation,
        routes: &Routes,
    ) -> Answer<()> {
        let account = &call.account;
        for at in 1..self.segments.len() - 1 {
            let (segment, id) = &self.segments[at];
            if !segment.is_template() {
                continue;
            }
            let is_filled = account.things.all(&self.up_to(at)).next().is_some();
            let can_be_filled = routes.at(Method::Post, &operation.path[..at]).is_some();
            match self.segments[at - 1].1.as_str() {
                _ if account.things.get(&self.up_to(at), id).is_some() => {}
                name if !operation.is_for_buyers && (is_filled || can_be_filled) => {
                    return Err(Refusal::not_found(&singular(name), id));
                }
                _ if !operation.is_for_buyers => {}
                "advertisers" => drop(account.advertiser(id)?),
                "campaigns" => drop(account.campaign(id)?),
                "media-buys" => drop(account.media_buy(id)?),
                "creatives" => drop(account.creative(id)?),
                "discovery" => drop(account.search(id)?),
                "storefronts" if Storefront::by_id(id).is_none() => {
                    return Err(Refusal::not_found("Storefront", id));
                }
                "storefronts" => {}
                // A source has the id of its storefront.
                "sources" if *id == self.segments[at - 2].1 => {}
                "accounts" if *id == account.customer.id.to_string() => {}
                _ if !is_filled && !can_be_filled => {}
                name => return Err(Refusal::not_found(&singular(name), id)),
            }
        }
        Ok(())
    }
}

/// What a collection holds, such as `Test cohort` for `test-cohorts`.
fn singular(collection: &str) -> String {
    let words = collection.replace('-', " ");
    let stem = words.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let one = stem.unwrap_or_else(|| words.trim_end_matches('s').to_owned());
    let mut letters = one.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
