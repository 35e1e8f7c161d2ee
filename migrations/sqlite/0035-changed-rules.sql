-- Which retention rules were set, changed or removed lately.
CREATE INDEX ledger_of_rules ON ledger (at) WHERE kind = 'retention-set';
