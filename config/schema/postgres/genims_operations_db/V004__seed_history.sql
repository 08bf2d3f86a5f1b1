-- How far the seeded history of sensors and machines has come: `genims seed` goes on from here.

CREATE TABLE genims_internal.seed_history (
    name      text PRIMARY KEY,
    digest    text NOT NULL,
    rows      bigint NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE genims_internal.seed_history IS 'The seeded history: its parameters, and the records that are there';
