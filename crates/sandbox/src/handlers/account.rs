//! The key, and the accounts that it can access (`src/tools/auth`, `src/tools/signals` of `scope3data/activation-api`).

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

/// Returns the owner of the key, as the documentation promises. The published code does not.
fn auth_check(call: &mut Call<'_>) -> ApiResult {
    let account = &call.account;
    let mut data = json!({
        "authenticated": true,
        "customerId": account.customer_id,
        // Scope3's word for a key that the connection sends.
        "apiKeySource": "session",
        "timestamp": account.clock.now(),
    });
    if !account.as_published {
        data["email"] = json!(account.email);
    }
    Ok(ApiResponse::success(format!("✅ **Authenticated**\n\nCustomer ID: {}", account.customer_id), data))
}

/// Customer 67890 lets customer 12345 manage its signals. No customer lets 67890 manage theirs.
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
