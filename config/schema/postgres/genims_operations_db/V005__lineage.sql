-- A log restored from an older copy gives the same offsets to other records: a position says of which history it is.

ALTER TABLE genims_internal.sink_positions ADD COLUMN history text;
COMMENT ON COLUMN genims_internal.sink_positions.history IS
    'The newest openings of the log that led to next_offset; the log judges by it. Empty where an earlier release stored it';
