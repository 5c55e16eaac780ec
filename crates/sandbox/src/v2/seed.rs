//! The data at the start: advertisers, campaigns in several states with delivery until now, creatives and audiences. Dates
//! are in days from the start day. All of it is invented.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{
    account::Account,
    flow,
    generic::Object,
    market::Wanted,
    objects::{
        advertiser::Advertiser,
        campaign::{Campaign, Phase},
        creative::Creative,
        media_buy::{BuyStatus, Review},
        search::{Line, Search},
    },
    seller,
};

/// An advertiser with its campaigns.
struct Brand {
    name: &'static str,
    domain: &'static str,
    currency: &'static str,
    is_sandbox: bool,
    is_archived: bool,
    flights: &'static [Flight],
}

/// A campaign with its cart: each product with its budget in currency units.
struct Flight {
    name: &'static str,
    brief: &'static str,
    state: State,
    days: (i64, i64),
    budget: u64,
    cart: &'static [(&'static str, u64)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Draft,
    Launched,
    /// Launched, and paused three days ago.
    Paused,
    /// Sent, and waiting for the sellers' decisions.
    Waiting,
}

const ACME: &[Brand] = &[
    Brand {
        name: "Acme Boots",
        domain: "acme-boots.example",
        currency: "USD",
        is_sandbox: false,
        is_archived: false,
        flights: &[
            Flight {
                name: "Autumn Trails",
                brief: "Hiking boots for families who travel in autumn; awareness in the US.",
                state: State::Launched,
                days: (-12, 18),
                budget: 40_000,
                cart: &[("sf1:501:outdoor-display", 8_000), ("sf1:502:prime-ctv", 24_000)],
            },
            Flight {
                name: "Summer Hikes",
                brief: "Light boots for summer.",
                state: State::Launched,
                days: (-70, -25),
                budget: 15_000,
                cart: &[("sf1:501:outdoor-display", 15_000)],
            },
            Flight {
                name: "City Walks",
                brief: "Boots for the city, as video before the news.",
                state: State::Paused,
                days: (-20, 20),
                budget: 9_000,
                cart: &[("sf1:501:news-video", 9_000)],
            },
            Flight {
                name: "Winter Boots",
                brief: "Warm boots for winter trails.",
                state: State::Draft,
                days: (10, 40),
                budget: 25_000,
                cart: &[("sf1:501:outdoor-display", 5_000)],
            },
        ],
    },
    Brand {
        name: "Acme Tents",
        domain: "acme-tents.example",
        currency: "EUR",
        is_sandbox: false,
        is_archived: false,
        flights: &[Flight {
            name: "Tents for Europe",
            brief: "Tents for people who travel in Germany and France.",
            state: State::Launched,
            days: (-6, 24),
            budget: 12_000,
            cart: &[("sf1:503:lifestyle-native", 10_000)],
        }],
    },
    Brand {
        name: "Acme Test Lab",
        domain: "acme-outdoor.example",
        currency: "USD",
        is_sandbox: true,
        is_archived: false,
        flights: &[],
    },
    Brand {
        name: "Acme Skis",
        domain: "acme-skis.example",
        currency: "USD",
        is_sandbox: false,
        is_archived: true,
        flights: &[],
    },
];

const QUILL: &[Brand] = &[
    Brand {
        name: "Quill Books",
        domain: "quill-books.example",
        currency: "GBP",
        is_sandbox: false,
        is_archived: false,
        flights: &[
            Flight {
                name: "Poetry Month",
                brief: "Poetry for people who love books and culture.",
                state: State::Launched,
                days: (-8, 22),
                budget: 6_000,
                cart: &[("sf1:503:books-display", 3_500), ("sf1:504:podcast-host", 2_500)],
            },
            Flight {
                name: "First Novels",
                brief: "Novels of new authors, in podcasts.",
                state: State::Draft,
                days: (5, 35),
                budget: 4_000,
                cart: &[],
            },
            Flight {
                name: "Summer Stories",
                brief: "Short stories for the journey, told in podcasts.",
                state: State::Waiting,
                days: (6, 36),
                budget: 3_000,
                cart: &[("sf1:504:podcast-host", 3_000)],
            },
        ],
    },
    Brand {
        name: "Quill Kids",
        domain: "quill-kids.example",
        currency: "USD",
        is_sandbox: true,
        is_archived: false,
        flights: &[],
    },
];

/// Fills the account of a customer.
pub(super) fn fill(account: &mut Account) {
    for brand in if account.customer.id == 12345 { ACME } else { QUILL } {
        let created = account.clock.day(-150);
        let id = account.ids.number();
        account.advertisers.push(Advertiser {
            id: id.clone(),
            name: brand.name.to_owned(),
            brand: brand.domain.to_owned(),
            currency: brand.currency.to_owned(),
            is_archived: brand.is_archived,
            is_sandbox: brand.is_sandbox,
            others: Map::new(),
            created,
            updated: created,
        });
        for flight in brand.flights {
            add(account, &id, brand.currency, flight);
        }
    }
    things(account);
    seller::connect(account);
}

fn add(account: &mut Account, advertiser: &str, currency: &str, flight: &Flight) {
    let (start, end) = (account.clock.day(flight.days.0), account.clock.day(flight.days.1));
    let created = account.clock.day(flight.days.0.min(0) - 5);
    let wanted = Wanted {
        brief: flight.brief.to_owned(),
        currency: currency.to_owned(),
        budget_cents: Some(flight.budget * 100),
        ..Wanted::default()
    };
    let cart = flight.cart.iter().filter_map(|(id, budget)| {
        Some(Line {
            selection: (*id).to_owned(),
            offer: account.market.offer(id)?,
            budget_cents: Some(budget * 100),
            bid_cents: None,
            others: Map::new(),
            selected: created,
        })
    });
    let search = Search {
        id: account.ids.short("disc"),
        found: wanted.found(&account.market),
        wanted,
        cart: cart.collect(),
    };
    let id = account.ids.short("cmp");
    creatives(account, advertiser, &id, flight, &search, created);
    account.campaigns.push(Campaign {
        id: id.clone(),
        advertiser: advertiser.to_owned(),
        name: flight.name.to_owned(),
        phase: Phase::Draft,
        brief: Some(flight.brief.to_owned()),
        start,
        end,
        total_cents: flight.budget * 100,
        currency: currency.to_owned(),
        daily_cap_cents: None,
        pacing: None,
        storefronts: Vec::new(),
        discovery: Some(search.id.clone()),
        buys: Vec::new(),
        others: Map::new(),
        created,
        updated: created,
        revision: 1,
    });
    account.searches.push(search);
    if flight.state != State::Draft {
        // It was valid when it was launched, and a test checks that it was.
        let _ = flow::launch(account, &id, created);
    }
    if flight.state != State::Waiting
        && let Ok(campaign) = account.campaign_mut(&id)
    {
        for buy in &mut campaign.buys {
            let seller = buy.storefront.operator.unwrap_or_default();
            buy.decide(Review::Approved, seller, None, false, created);
        }
    }
    let paused = account.clock.day(-3);
    if flight.state == State::Paused
        && let Ok(campaign) = account.campaign_mut(&id)
    {
        campaign.phase = Phase::Paused;
        for buy in &mut campaign.buys {
            buy.status = BuyStatus::Paused;
            buy.apply(paused);
        }
    }
}

/// A creative for each kind of format in the cart.
fn creatives(
    account: &mut Account,
    advertiser: &str,
    campaign: &str,
    flight: &Flight,
    search: &Search,
    created: Moment,
) {
    let mut formats: Vec<&str> = search.cart.iter().map(|line| line.offer.product.format.as_str()).collect();
    formats.dedup();
    for format in formats {
        let kind = match format {
            "video_hosted" => "VIDEO",
            "audio_hosted" => "AUDIO",
            _ => "IMAGE",
        };
        let (id, asset) = (account.ids.short("cr"), account.ids.short("asset"));
        account.creatives.push(Creative {
            name: format!("{} {}", flight.name, kind.to_lowercase()),
            advertiser: advertiser.to_owned(),
            campaigns: vec![campaign.to_owned()],
            format: format.to_owned(),
            assets: vec![json!({
                "asset_id": asset, "name": flight.name, "original_filename": flight.name, "asset_type": kind,
                "content_type": "application/octet-stream", "file_size": 51_200, "asset_source": "USER_UPLOADED",
                "public_url": format!("https://sandbox.example/assets/{asset}"), "created_at": created,
            })],
            others: Map::new(),
            created,
            updated: created,
            id,
        });
    }
}

/// Fills the collections that the generic operations serve, for the first advertiser and the first campaign.
fn things(account: &mut Account) {
    let advertiser = account.advertisers.first().map(|one| one.id.clone()).unwrap_or_default();
    let campaign = account.campaigns.first().map(|one| one.id.clone()).unwrap_or_default();
    let buy = account.campaigns.first().and_then(|one| one.buys.first()).map(|buy| buy.id.clone());
    let text = include_str!("seed.json")
        .replace("{advertiser}", &advertiser)
        .replace("{campaign}", &campaign)
        .replace("{mediaBuy}", &buy.unwrap_or_default())
        .replace("{customer}", &account.customer.id.to_string())
        .replace("{yesterday}", &account.clock.day(-1).to_string());
    let seeds: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    for (collection, objects) in seeds {
        for object in objects.as_array().into_iter().flatten().filter_map(Value::as_object) {
            put(account, &collection, object);
        }
    }
}

fn put(account: &mut Account, collection: &str, object: &Object) {
    // The first member is the id.
    let id = object.values().next().and_then(super::arguments::id).unwrap_or_default();
    account.things.put(collection, &id, object.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::tests::june, customers::CUSTOMERS, v2::market::Market};

    #[test]
    fn every_customer_has_campaigns_in_several_states_that_delivered() {
        for customer in CUSTOMERS {
            let mut account = Account::new(customer, june(), Market::new());
            fill(&mut account);
            let now = account.now();
            let has_started = |campaign: &&Campaign| {
                campaign.status(now) != "DRAFT"
                    && campaign.buys.iter().all(|buy| buy.status != BuyStatus::Pending)
            };
            for campaign in account.campaigns.iter().filter(has_started) {
                assert!(campaign.delivered(now).spend_cents > 0, "{}", campaign.name);
                assert!(campaign.delivered(now).spend_cents <= campaign.total_cents, "{}", campaign.name);
                assert!(campaign.buys.iter().all(|buy| buy.failure.is_none()), "{}", campaign.name);
            }
            let drafts = account.campaigns.iter().filter(|campaign| campaign.status(now) == "DRAFT");
            assert_eq!(drafts.count(), 1);
        }
        assert!(serde_json::from_str::<Map<String, Value>>(include_str!("seed.json")).is_ok());
    }
}
