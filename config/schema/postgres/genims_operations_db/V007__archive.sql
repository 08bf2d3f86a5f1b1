-- Which days of telemetry were condensed into MongoDB's archive, and for which rows: only these are dropped by retention.

CREATE TABLE genims_internal.archived_days (
    table_name  text        NOT NULL,
    day         date        NOT NULL,
    rows        bigint      NOT NULL,
    newest_id   bigint      NOT NULL,
    documents   bigint      NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, day)
);
COMMENT ON TABLE genims_internal.archived_days IS
    'Days of telemetry that stand in the archive, as they were when they were condensed last';
COMMENT ON COLUMN genims_internal.archived_days.rows IS
    'Rows that the day had; it is dropped only while it has as many';
COMMENT ON COLUMN genims_internal.archived_days.newest_id IS
    'The highest id among them; it is dropped only while it is that';
COMMENT ON COLUMN genims_internal.archived_days.documents IS 'Documents of the archive that stand for these rows';
COMMENT ON COLUMN genims_internal.archived_days.archived_at IS 'When it was condensed last';
