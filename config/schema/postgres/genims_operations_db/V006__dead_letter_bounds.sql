-- A row of dead letters may stand for many: equal ones, and those of a cause beyond what is kept of it in an hour.

ALTER TABLE genims_internal.dead_letters
    ADD COLUMN client           text NOT NULL DEFAULT '',
    ADD COLUMN letters          bigint NOT NULL DEFAULT 1,
    ADD COLUMN records          bigint NOT NULL DEFAULT 1,
    ADD COLUMN last_received_at timestamptz,
    ADD COLUMN fold             uuid,
    ADD COLUMN cause            uuid;
COMMENT ON COLUMN genims_internal.dead_letters.client IS
    'Who sent it: the client id, or the address where the protocol knows no ids; empty for rows that the database refused';
COMMENT ON COLUMN genims_internal.dead_letters.letters IS
    'Offsets of the log that the row stands for; with those in dead_letters_purged they add up to the ledger';
COMMENT ON COLUMN genims_internal.dead_letters.records IS
    'Records of the account that the row stands for: a letter may hold several refused elements of one message';
COMMENT ON COLUMN genims_internal.dead_letters.last_received_at IS
    'When the last one came, received_at is when the first one did; empty where an earlier release stored it';
COMMENT ON COLUMN genims_internal.dead_letters.fold IS
    'What equal letters have in common; equal to cause where the payload is the first of many that were only counted';
COMMENT ON COLUMN genims_internal.dead_letters.cause IS
    'Listener, client, topic, reason and hour, where only so many letters of one cause are kept whole';
CREATE INDEX dead_letters_fold_idx ON genims_internal.dead_letters (fold) WHERE replayed_at IS NULL;
CREATE INDEX dead_letters_cause_idx ON genims_internal.dead_letters (cause);

CREATE TABLE genims_internal.dead_letters_purged (
    source    text        NOT NULL,
    reason    text        NOT NULL,
    letters   bigint      NOT NULL,
    records   bigint      NOT NULL,
    purged_at timestamptz NOT NULL,
    PRIMARY KEY (source, reason)
);
COMMENT ON TABLE genims_internal.dead_letters_purged IS
    'How many dead letters were deleted, so that the ledger still adds up';
COMMENT ON COLUMN genims_internal.dead_letters_purged.letters IS 'Offsets of the log that the deleted rows stood for';
COMMENT ON COLUMN genims_internal.dead_letters_purged.records IS 'Records of the account that the deleted rows stood for';
COMMENT ON COLUMN genims_internal.dead_letters_purged.purged_at IS 'When rows were deleted last';
