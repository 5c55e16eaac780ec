-- What a spender has committed since the day began.
return ok(text(committed()))
