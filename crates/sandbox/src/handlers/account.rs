//! The key, and the accounts that it reaches (`src/tools/auth`, `src/tools/signals` of `scope3data/activation-api`).

use serde_json::{Value, json};

use super::{ApiResponse, ApiResult, Call, Handler, count};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "check_auth_status" => Some(auth_check),
        "signals_get_accessible_accounts" => Some(accessible_accounts),
        _ => None,
    }
}

/// Names the owner of the key as the documents promise, which the published code does not.
fn auth_check(call: &mut Call<'_>) -> ApiResult {
    let account = &call.account;
    let mut data = json!({
        "authenticated": true,
        "customerId": account.customer_id,
        // Scope3's word for a key that came with the connection, as every key here does.
        "apiKeySource": "session",
        "timestamp": account.clock.now(),
    });
    if !account.as_published {
        data["email"] = json!(account.email);
    }
    Ok(ApiResponse::success(format!("✅ **Authenticated**\n\nCustomer ID: {}", account.customer_id), data))
}

/// Customer 67890 lets 12345 manage its signals, and nobody lets 67890.
fn accessible_accounts(call: &mut Call<'_>) -> ApiResult {
    let granted: &[u32] = if call.account.customer_id == 12345 { &[67890] } else { &[] };
    let accounts: Vec<Value> = granted
        .iter()
        .map(|id| json!({"id": format!("seat_{id}"), "customerId": id, "name": format!("Customer {id}")}))
        .collect();
    Ok(ApiResponse::success(
        format!("**{}**", count(accounts.len(), "accessible account")),
        json!({"count": accounts.len(), "accounts": accounts}),
    ))
}
