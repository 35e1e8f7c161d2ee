-- An origin that is deleted keeps its row, because the past of views names the packages it had; one of its name may be made again.
ALTER TABLE origins ADD COLUMN deleted_at INTEGER;
