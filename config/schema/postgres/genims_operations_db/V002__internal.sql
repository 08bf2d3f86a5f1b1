-- The stream's own bookkeeping, apart from the contract in schema public.

-- How far each sink of each log has come. Moves in the transaction of the batch; room in the pages keeps updates in place.
CREATE TABLE genims_internal.sink_positions (
    spool_id    uuid        NOT NULL,
    sink        text        NOT NULL,
    next_offset bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool_id, sink)
) WITH (fillfactor = 50);
COMMENT ON TABLE genims_internal.sink_positions IS
    'How far each sink has come in each log; after a crash a sink goes on from here';
COMMENT ON COLUMN genims_internal.sink_positions.next_offset IS 'The first offset of the log that is not yet in the tables';

CREATE TABLE genims_internal.ingest_batches (
    spool_id        uuid        NOT NULL,
    first_offset    bigint      NOT NULL,
    next_offset     bigint      NOT NULL,
    sensor_rows     bigint      NOT NULL,
    superseded_rows bigint      NOT NULL DEFAULT 0,
    replaced_rows   bigint      NOT NULL DEFAULT 0,
    scada_rows      bigint      NOT NULL,
    events          bigint      NOT NULL DEFAULT 0,
    dead_letters    bigint      NOT NULL,
    refused_rows    bigint      NOT NULL,
    timestamp_min   timestamp,
    timestamp_max   timestamp,
    committed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool_id, first_offset)
);
COMMENT ON TABLE genims_internal.ingest_batches IS
    'One row a batch; next_offset - first_offset = sensor_rows + superseded_rows + scada_rows + events + dead_letters + refused_rows';
COMMENT ON COLUMN genims_internal.ingest_batches.sensor_rows IS
    'Rows written to sensor_data; what the stream left there is sum(sensor_rows) - sum(replaced_rows)';
COMMENT ON COLUMN genims_internal.ingest_batches.superseded_rows IS 'Replaced within the batch and never written';
COMMENT ON COLUMN genims_internal.ingest_batches.replaced_rows IS
    'Rows of earlier batches deleted by this one (same_timestamp = "last")';
COMMENT ON COLUMN genims_internal.ingest_batches.events IS
    'Events, whether or not they have a table here; refused ones not';
COMMENT ON COLUMN genims_internal.ingest_batches.timestamp_min IS 'Of the readings, UTC';
COMMENT ON COLUMN genims_internal.ingest_batches.timestamp_max IS 'Of the readings, UTC';

CREATE TABLE genims_internal.dead_letters (
    letter_id     bigserial   PRIMARY KEY,
    spool_id      uuid        NOT NULL,
    log_offset    bigint      NOT NULL,
    received_at   timestamptz NOT NULL,
    source        text        NOT NULL,
    topic         text        NOT NULL,
    reason        text        NOT NULL,
    sqlstate      text,
    detail        text        NOT NULL,
    payload       bytea       NOT NULL,
    payload_bytes bigint      NOT NULL,
    replayed_at   timestamptz
);
CREATE INDEX dead_letters_spool_id_log_offset_idx ON genims_internal.dead_letters (spool_id, log_offset);
COMMENT ON TABLE genims_internal.dead_letters IS 'What could not be stored, with what it takes to replay it';
COMMENT ON COLUMN genims_internal.dead_letters.payload_bytes IS 'Length before a long payload was cut';
COMMENT ON COLUMN genims_internal.dead_letters.sqlstate IS 'Set when the database refused the row';
