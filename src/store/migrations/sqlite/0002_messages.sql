-- Messages to Slack and others: one for each run and service, one for each digest, one for each reply in a thread. What a
-- message says is not kept: it is told anew from the journal, as it stands when the message is delivered.

CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL, -- run, digest, evidence, mention
    run_id TEXT, -- null for a digest
    entry BIGINT NOT NULL, -- of the journal, for evidence; 0 for all others
    digest_id TEXT, -- the digest that tells of this run instead
    sink TEXT NOT NULL, -- slack, teams, webhook
    channel TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    wanted BIGINT NOT NULL, -- length of the journal that it should tell; of a digest: grows with every change of its runs
    told BIGINT NOT NULL, -- and that it tells
    last BIGINT NOT NULL, -- 1: nothing will be added
    due_at BIGINT, -- null: nothing is owed
    posting_at BIGINT, -- since when a first post is under way whose answer is not known
    remote_channel TEXT, -- where it was posted
    remote_ts TEXT,
    renewed BIGINT NOT NULL, -- 1: posted afresh, since the first was deleted
    plain BIGINT NOT NULL, -- 1: without blocks, since they were refused
    attempts BIGINT NOT NULL, -- in a row that failed and may succeed later
    failure TEXT, -- why it was given up
    lease_owner TEXT,
    lease_until BIGINT NOT NULL,
    epoch BIGINT NOT NULL
);
CREATE UNIQUE INDEX messages_of_run ON messages (run_id, sink, kind, entry) WHERE run_id IS NOT NULL;
CREATE INDEX messages_due ON messages (sink, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_of_digest ON messages (digest_id) WHERE digest_id IS NOT NULL;
CREATE INDEX messages_digests ON messages (sink, opened_at) WHERE kind = 'digest';

-- What a service has forbidden until then: kept, since it counts across restarts.
CREATE TABLE holds (
    scope TEXT NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
