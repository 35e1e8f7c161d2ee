-- Nobody asks for the entries of an origin by this way, and each upload paid for it.
DROP INDEX ledger_by_origin;
