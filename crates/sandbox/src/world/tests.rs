use std::collections::{BTreeMap, HashMap};

use jiff::{
    Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};

use super::Clock;
use crate::{
    customers::CUSTOMERS,
    objects::{campaign::Status, delivery::currency_units, tactic::TacticStatus},
    store::Account,
    world::World,
};

/// Days on which a sandbox may start: every 29th day of these years, and the first and last days of February and of
/// years.
fn days() -> impl Iterator<Item = Date> {
    let spread = date(2025, 1, 1).series(jiff::Span::new().days(29));
    let boundaries = (2025..=2035).flat_map(|year| {
        [date(year, 1, 1), date(year, 3, 1).yesterday().unwrap(), date(year, 3, 1), date(year, 12, 31)]
    });
    spread.take_while(|day| day.year() <= 2035).chain(boundaries)
}

/// The first and the last instant of a day.
fn instants(day: Date) -> [Timestamp; 2] {
    [day.at(0, 0, 0, 0), day.at(23, 59, 59, 999_999_999)]
        .map(|time| TimeZone::UTC.to_timestamp(time).unwrap())
}

#[test]
fn the_initial_data_matches_the_start_day() {
    for day in days() {
        for now in instants(day) {
            let world = World::new(&Clock::new(Some(now)), false);
            for customer in CUSTOMERS {
                assert_consistent(world.account(customer.id).unwrap(), day);
            }
            let states: Vec<Status> =
                world.account(12345).unwrap().campaigns.iter().map(|campaign| campaign.status).collect();
            for status in
                [Status::Active, Status::Paused, Status::Completed, Status::Scheduled, Status::Draft]
            {
                assert!(states.contains(&status), "{status:?} on {day}");
            }
        }
    }
}

/// Checks that dates are in order, and that the status of each campaign matches its dates.
fn assert_consistent(account: &Account, today: Date) {
    let now = account.clock.now();
    for campaign in &account.campaigns {
        let name = format!("{} on {today}", campaign.name);
        assert!(campaign.created_at < now, "{name}");
        let flight = campaign.start_date.zip(campaign.end_date);
        let days = flight.map(|(start, end)| (start.date(), end.date()));
        if let Some((start, end)) = flight {
            assert!(campaign.created_at < start && start < end, "{name}");
        }
        match (campaign.status, days) {
            (Status::Draft, None) => {}
            (Status::Scheduled, Some((start, _))) => assert!(today < start, "{name}"),
            (Status::Active | Status::Paused, Some((start, end))) => {
                assert!(start < today && today < end, "{name}");
            }
            (Status::Completed, Some((_, end))) => assert!(end < today, "{name}"),
            (status, days) => panic!("{name}: {status:?} {days:?}"),
        }
        let rows: Vec<_> = account.delivery.iter().filter(|row| row.campaign_id == campaign.id).collect();
        for row in &rows {
            let (start, end) = days.unwrap();
            assert!(start <= row.date && row.date <= end && row.date < today, "{name}: {}", row.date);
        }
        let last = rows.iter().map(|row| row.date).max();
        let delivers = matches!(campaign.status, Status::Active | Status::Paused | Status::Completed);
        assert_eq!(last.is_some(), delivers, "{name}");
        if campaign.status == Status::Active {
            assert_eq!(last, today.yesterday().ok(), "{name}");
        }
    }
    for tactic in account.tactics.iter().filter(|tactic| tactic.status == TacticStatus::Paused) {
        let last = account.delivery.iter().filter(|row| row.tactic_id == tactic.id).map(|row| row.date).max();
        assert!(last.unwrap() < today.yesterday().unwrap(), "{} is paused", tactic.name);
    }
    for tactic in account.tactics.iter().filter(|tactic| tactic.status == TacticStatus::Active) {
        let campaign = account.campaign(&tactic.campaign_id).unwrap();
        assert!(campaign.created_at < tactic.created_at && tactic.created_at < now, "{}", tactic.name);
    }
    for creative in &account.creatives {
        let approved = creative.publisher_approvals.iter().filter_map(|approval| approval.approved_at);
        assert!(approved.chain([creative.created_date]).all(|at| at < now), "{}", creative.creative_name);
    }
}

/// The initial data does not depend on the year; rounding only moves cents between days.
#[test]
fn starts_on_the_same_weekday_have_the_same_delivery() {
    let rows = |now: &str| {
        let world = World::new(&Clock::new(Some(now.parse().unwrap())), false);
        let mut days: BTreeMap<i64, u64> = BTreeMap::new();
        let account = world.account(12345).unwrap();
        for row in &account.delivery {
            let age = account.clock.now().date().since(row.date).unwrap().get_days();
            *days.entry(age.into()).or_default() += row.spend_cents;
        }
        days
    };
    assert_eq!(rows("2026-06-15T12:00:00Z"), rows("2032-03-01T00:00:00Z"));
}

/// Every campaign and tactic in the initial data stays within its budget.
#[test]
fn no_budget_is_exceeded() {
    for (day, customer) in days().flat_map(|day| CUSTOMERS.map(|customer| (day, customer))) {
        let world = World::new(&Clock::new(Some(instants(day)[0])), false);
        let account = world.account(customer.id).unwrap();
        assert!(!account.delivery.is_empty());
        let mut by_tactic: HashMap<&str, u64> = HashMap::new();
        let mut by_campaign: HashMap<&str, u64> = HashMap::new();
        let mut by_day: HashMap<(&str, jiff::civil::Date), u64> = HashMap::new();
        for row in &account.delivery {
            *by_tactic.entry(&row.tactic_id).or_default() += row.spend_cents;
            *by_campaign.entry(&row.campaign_id).or_default() += row.spend_cents;
            *by_day.entry((&row.campaign_id, row.date)).or_default() += row.spend_cents;
        }
        for tactic in &account.tactics {
            let spent = by_tactic.get(tactic.id.as_str()).copied().unwrap_or_default();
            assert!(currency_units(spent) <= tactic.allocation.amount, "{}", tactic.name);
        }
        for campaign in &account.campaigns {
            let spent = by_campaign.get(campaign.id.as_str()).copied().unwrap_or_default();
            assert!(spent <= campaign.budget.total, "{}", campaign.name);
            let amounts: f64 = account
                .tactics
                .iter()
                .filter(|tactic| tactic.campaign_id == campaign.id)
                .map(|tactic| tactic.allocation.amount)
                .sum();
            assert!(amounts <= currency_units(campaign.budget.total), "{}", campaign.name);
            if let Some(cap) = campaign.budget.daily_cap {
                let daily = by_day.iter().filter(|((id, _), _)| *id == campaign.id).map(|(_, spent)| *spent);
                assert!(daily.max().unwrap_or_default() <= cap, "{}", campaign.name);
            }
        }
    }
}
