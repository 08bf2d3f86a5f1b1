-- A dead letter that a replay brings back as it was waits as before: the copy that came is deleted, and nothing was lost by that.

ALTER TABLE genims_internal.dead_letters_purged ADD COLUMN returned bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN genims_internal.dead_letters_purged.returned IS
    'Of records: those of copies that a replay brought back, whose letters wait as before';
