-- Who commits the money of a change: nobody's key for the operator, or what stands for a caller's key. And how much, in
-- hundredths of the unit of the currency.
ALTER TABLE journal ADD COLUMN spender BLOB;
ALTER TABLE journal ADD COLUMN committed INTEGER;
CREATE INDEX journal_by_spender ON journal (spender, currency, made_at) WHERE committed > 0;
