//! The initial campaigns, one in each status, with their tactics and delivery.

use super::delivery;
use crate::{
    clock::{Clock, Moment},
    objects::{
        Campaign, Delivery, Market, Tactic,
        campaign::{Budget, Pacing, Status, Weights},
        creative::Assignment,
        product::Product,
        tactic::{Allocation, TacticPacing, TacticStatus},
    },
    store::Account,
};

/// A campaign in the table below. Dates are in days from the start day of the sandbox.
struct Plan {
    agent: usize,
    name: &'static str,
    status: Status,
    /// In cents.
    total: u64,
    daily_cap: Option<u64>,
    currency: &'static str,
    created: i64,
    /// First and last day.
    flight: Option<(i64, i64)>,
    /// The last day of delivery, if it is neither the last day of the flight nor yesterday.
    stopped: Option<i64>,
    /// The spend in percent of an even spend.
    pace: u64,
    creatives: &'static [&'static str],
    tactics: &'static [Buy],
}

/// A tactic in the table below.
struct Buy {
    name: &'static str,
    product: &'static str,
    status: TacticStatus,
    /// In currency units.
    amount: u32,
    cpm: f64,
    signal: bool,
}

const fn buy(name: &'static str, product: &'static str, status: TacticStatus, amount: u32, cpm: f64) -> Buy {
    Buy { name, product, status, amount, cpm, signal: false }
}

use TacticStatus::{Active, Completed, Draft, Paused};

const NORTH_TO_HARBOR: [Plan; 6] = [
    Plan {
        agent: 0,
        name: "Boot Week",
        status: Status::Completed,
        total: 1_200_000,
        daily_cap: None,
        currency: "USD",
        created: -82,
        flight: Some((-70, -57)),
        stopped: None,
        pace: 97,
        creatives: &["Ridge at dawn 728x90"],
        tactics: &[
            buy("Trail readers", "prod_trail_display", Completed, 8_000, 6.5),
            buy("How-to films", "prod_youtube_howto", Completed, 4_000, 11.0),
        ],
    },
    Plan {
        agent: 0,
        name: "Open Trails",
        status: Status::Active,
        total: 5_000_000,
        daily_cap: Some(100_000),
        currency: "USD",
        created: -56,
        flight: Some((-45, 46)),
        stopped: None,
        pace: 96,
        creatives: &["Ridge at dawn 728x90", "Two boots, one trail 15s"],
        tactics: &[
            buy("Streaming reach", "prod_hulu_outdoor", Active, 24_000, 15.0),
            Buy { signal: true, ..buy("Trail readers", "prod_trail_display", Active, 16_000, 6.0) },
            buy("How-to films", "prod_youtube_howto", Paused, 8_000, 11.5),
        ],
    },
    Plan {
        agent: 1,
        name: "Morning Ritual",
        status: Status::Paused,
        total: 2_000_000,
        daily_cap: None,
        currency: "EUR",
        created: -42,
        flight: Some((-35, 15)),
        stopped: Some(-10),
        pace: 70,
        creatives: &["First cup 320x50", "Steam 728x90"],
        tactics: &[buy("Commuter display", "prod_commuter_display", Paused, 18_000, 4.2)],
    },
    Plan {
        agent: 1,
        name: "Cold Brew Launch",
        status: Status::Scheduled,
        total: 3_000_000,
        daily_cap: None,
        currency: "USD",
        created: -14,
        flight: Some((16, 77)),
        stopped: None,
        pace: 100,
        creatives: &["First cup 320x50"],
        tactics: &[buy("Food sites", "prod_food_display", Draft, 20_000, 5.5)],
    },
    Plan {
        agent: 2,
        name: "Storm Season",
        status: Status::Active,
        total: 900_000,
        daily_cap: None,
        currency: "USD",
        created: -20,
        flight: Some((-14, 15)),
        stopped: None,
        pace: 60,
        creatives: &[],
        tactics: &[buy("Weather pages", "prod_weather_display", Active, 9_000, 3.8)],
    },
    Plan {
        agent: 2,
        name: "First Home Guide",
        status: Status::Draft,
        total: 1_500_000,
        daily_cap: None,
        currency: "USD",
        created: -5,
        flight: None,
        stopped: None,
        pace: 100,
        creatives: &[],
        tactics: &[],
    },
];

const QUILL: [Plan; 1] = [Plan {
    agent: 0,
    name: "Rainy Weekends",
    status: Status::Active,
    total: 600_000,
    daily_cap: None,
    currency: "GBP",
    created: -28,
    flight: Some((-14, 27)),
    stopped: None,
    pace: 95,
    creatives: &["One more chapter 728x90"],
    tactics: &[buy("Book pages", "prod_books_display", Active, 5_500, 5.0)],
}];

/// Adds the initial data to an account.
pub(super) fn fill(account: &mut Account, market: &Market) {
    let plans: &[Plan] = if account.customer_id == 12345 { &NORTH_TO_HARBOR } else { &QUILL };
    for plan in plans {
        campaign(account, market, plan);
    }
}

fn campaign(account: &mut Account, market: &Market, plan: &Plan) {
    let created = account.clock.day(plan.created).plus_hours(9);
    let agent = &account.brand_agents[plan.agent];
    let story = account.stories.iter().find(|story| story.brand_agent_id == agent.id);
    let story_id = story.map(|story| story.id.clone()).unwrap_or_default();
    let campaign = Campaign {
        id: account.ids.dated("campaign", created),
        name: plan.name.to_owned(),
        prompt: format!(
            "Goal: increase awareness of {}. KPI: reach and frequency. Audience: adult people as in our brand \
             story. Market: national. Flight date as planned. Creative: display banner and video. Budget: daily \
             cap as given.",
            agent.name
        ),
        brand_agent_id: agent.id.clone(),
        status: plan.status,
        budget: Budget {
            total: plan.total,
            currency: plan.currency.to_owned(),
            daily_cap: plan.daily_cap,
            pacing: Pacing::Even,
        },
        audience_ids: if plan.tactics.is_empty() { Vec::new() } else { vec![story_id.clone()] },
        created_at: created,
        updated_at: created,
        start_date: plan.flight.map(|(first, _)| account.clock.day(first)),
        end_date: plan.flight.map(|(_, last)| account.clock.day(last).plus_hours(23)),
        outcome_score_window_days: 7,
        scoring_weights: Weights::default(),
    };
    for name in plan.creatives {
        let Some(creative) = account.creatives.iter().find(|creative| creative.creative_name == *name) else {
            continue;
        };
        account.assignments.push(Assignment {
            creative_id: creative.creative_id.clone(),
            campaign_id: campaign.id.clone(),
            assigned_date: created,
        });
    }
    for (at, buy) in plan.tactics.iter().enumerate() {
        let made = created.plus_hours(1 + i64::try_from(at).unwrap_or_default());
        let tactic = tactic(account, market, &campaign, buy, &story_id, made);
        let delivered = delivered(&account.clock, &tactic, plan);
        account.delivery.extend(delivered);
        account.tactics.push(tactic);
    }
    account.campaigns.push(campaign);
}

fn tactic(
    account: &mut Account,
    market: &Market,
    campaign: &Campaign,
    buy: &Buy,
    story_id: &str,
    made: Moment,
) -> Tactic {
    Tactic {
        id: account.ids.dated("tactic", made),
        campaign_id: campaign.id.clone(),
        name: buy.name.to_owned(),
        description: None,
        status: buy.status,
        brand_story_id: story_id.to_owned(),
        signal_id: buy.signal.then(|| account.ids.uuid()),
        product: Product::from_id(buy.product, made),
        sales_agent_id: market.sellers(account.customer_id).first().map(|seller| seller.id.clone()),
        allocation: Allocation {
            amount: f64::from(buy.amount),
            currency: campaign.budget.currency.clone(),
            pacing: TacticPacing::Even,
            daily_cap: None,
            percentage: None,
        },
        cpm: buy.cpm,
        signal_cost: if buy.signal { crate::objects::tactic::SIGNAL_COST } else { 0.0 },
        axe_include_segment: account.ids.segment(made),
        error_message: None,
        created_at: made,
        updated_at: made,
    }
}

/// The last day of delivery of paused tactics in running campaigns.
const PAUSED_LAST_DAY: i64 = -10;

/// The delivery of a tactic until yesterday, or until the tactic or its campaign stopped.
fn delivered(clock: &Clock, tactic: &Tactic, plan: &Plan) -> Vec<Delivery> {
    let Some((first, last)) = plan.flight else { return Vec::new() };
    let day = |days| clock.day(days).date();
    let latest = if tactic.status == Paused { PAUSED_LAST_DAY } else { -1 };
    let until = plan.stopped.unwrap_or(last).min(latest);
    delivery::spread(tactic, (day(first), day(last)), day(until), plan.pace)
}
