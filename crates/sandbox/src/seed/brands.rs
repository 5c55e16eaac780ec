//! The initial brand agents, with their stories and standards.

use crate::{
    objects::{
        BrandAgent, Guide,
        brand::{Model, Scope},
    },
    store::Account,
};

/// Adds the initial data to an account.
pub(super) fn fill(account: &mut Account) {
    if account.customer_id == 12345 {
        agent(account, "Northwind Outdoor", -146, "northwind.example", "Boots and tents for every weather");
        agent(account, "Lumen Coffee", -132, "lumen-coffee.example", "Coffee roasters since 1987");
        agent(account, "Harbor Mutual", -91, "harbor-mutual.example", "Insurance for families");
        let [north, lumen, harbor] = [0, 1, 2].map(|at| account.brand_agents[at].id.clone());
        story(
            account,
            &north,
            "Weekend hikers",
            "Adults of 25 to 45 who hike on weekends and read gear reviews.",
        );
        story(
            account,
            &north,
            "Young families",
            "Parents who camp with children and look for sturdy, simple gear.",
        );
        story(
            account,
            &lumen,
            "Home baristas",
            "People who grind their own beans and care where they come from.",
        );
        story(account, &harbor, "First homes", "Couples who buy their first home and compare insurance.");
        standards(
            account,
            &north,
            "Family-safe",
            "Approve outdoor and travel content. Reject violence and gambling.",
        );
        standards(
            account,
            &lumen,
            "Calm places",
            "Approve food and lifestyle content. Reject tragedy and politics.",
        );
    } else {
        agent(account, "Quill Books", -68, "quill-books.example", "An independent bookseller");
        let quill = account.brand_agents[0].id.clone();
        story(
            account,
            &quill,
            "Evening readers",
            "Adults who read fiction in the evening and buy in small shops.",
        );
        standards(account, &quill, "Kind words", "Approve culture and education. Reject hate and profanity.");
    }
}

fn agent(account: &mut Account, name: &str, created: i64, domain: &str, description: &str) {
    let created = account.clock.day(created);
    let id = account.ids.number();
    account.brand_agents.push(BrandAgent {
        id,
        name: name.to_owned(),
        customer_id: account.customer_id,
        created_at: created,
        updated_at: created,
        description: Some(description.to_owned()),
        external_id: Some(domain.replace(".example", "-001")),
        nickname: name.split(' ').next().map(str::to_owned),
        advertiser_domains: vec![domain.to_owned()],
        dsp_seats: Vec::new(),
        tactic_seed_data_coop: None,
    });
}

fn story(account: &mut Account, brand_agent: &str, name: &str, prompt: &str) {
    let story = guide(account, brand_agent, name, prompt);
    account.stories.push(story);
}

fn standards(account: &mut Account, brand_agent: &str, name: &str, prompt: &str) {
    let standards = guide(account, brand_agent, name, prompt);
    account.standards.push(standards);
}

fn guide(account: &mut Account, brand_agent: &str, name: &str, prompt: &str) -> Guide {
    let created = account.clock.day(-75).plus_hours(i64::try_from(account.stories.len()).unwrap_or_default());
    let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    Guide {
        id: account.ids.number(),
        brand_agent_id: brand_agent.to_owned(),
        name: name.to_owned(),
        scope: Scope {
            channels: list(&["web", "mobile"]),
            countries: list(&["US", "CA"]),
            languages: list(&["en"]),
            ..Scope::default()
        },
        models: vec![Model {
            id: account.ids.number(),
            name: name.to_owned(),
            prompt: prompt.to_owned(),
            created_at: created,
        }],
        created_at: created,
        updated_at: created,
        archived_at: None,
    }
}
