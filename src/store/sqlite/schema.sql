-- Times are microseconds since 1970 in UTC. Ids of runs and episodes are UUIDv7: keys grow with time, so that inserts
-- touch the right edge of each index only. Indexes on work that is waiting are partial: history does not slow a claim.

-- Which database this is, whatever file or host it is restored to.
CREATE TABLE identity (
    id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    pinged_at BIGINT NOT NULL -- written by /readyz, to see that a commit is possible
);

-- The inbox: posts as received. `body` stands last, so that changing `state` does not rewrite it.
CREATE TABLE posts (
    id INTEGER NOT NULL PRIMARY KEY,
    received_at BIGINT NOT NULL,
    source TEXT NOT NULL,
    alerts BIGINT NOT NULL,
    state BIGINT NOT NULL, -- 0 waiting, 1 unfolded, 2 could not be unfolded
    reason TEXT,
    body BLOB NOT NULL
);
CREATE INDEX posts_waiting ON posts (id) WHERE state = 0;

CREATE TABLE episodes (
    id TEXT NOT NULL PRIMARY KEY,
    fingerprint BIGINT NOT NULL,
    latest BIGINT NOT NULL, -- 1: no later episode of this fingerprint
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    told_at BIGINT, -- when we were told of the end; null while it fires
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    reason TEXT, -- why no run was opened
    alertname TEXT NOT NULL,
    labels TEXT NOT NULL,
    annotations TEXT NOT NULL,
    generator_url TEXT NOT NULL
);
CREATE UNIQUE INDEX episodes_latest ON episodes (fingerprint) WHERE latest = 1;
CREATE INDEX episodes_firing ON episodes (id) WHERE told_at IS NULL;
CREATE INDEX episodes_by_name ON episodes (alertname, id);
CREATE INDEX episodes_ended ON episodes (told_at) WHERE told_at IS NOT NULL;

CREATE TABLE runbook_versions (
    version TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    left_at BIGINT -- since when no file holds it; null while one does
);
CREATE INDEX runbook_versions_held ON runbook_versions (version) WHERE left_at IS NULL;
CREATE INDEX runbook_versions_left ON runbook_versions (left_at) WHERE left_at IS NOT NULL;

-- The versions that each file held when it was last read without an error.
CREATE TABLE runbook_files (
    file TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (file, name)
);

-- What guards count on stands in columns of its own: root, runbook, namespace, node, node pool. A run that has no such thing,
-- or that has not been bound yet, has null there.
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    runbook TEXT NOT NULL,
    version TEXT NOT NULL,
    mode TEXT NOT NULL,
    track TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    object TEXT, -- JSON of the alerted object by name; null when the target could not be rendered
    object_key TEXT,
    namespace TEXT,
    node TEXT,
    node_pool TEXT,
    uid TEXT,
    root TEXT,
    root_key TEXT,
    phase TEXT NOT NULL,
    outcome TEXT,
    reason TEXT,
    detail TEXT,
    opened_at BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    finished_at BIGINT,
    sent BIGINT NOT NULL, -- 1: a real mutation was started
    entries BIGINT NOT NULL, -- length of the journal
    lease_owner TEXT,
    lease_until BIGINT NOT NULL,
    epoch BIGINT NOT NULL
);
CREATE INDEX runs_due ON runs (due_at) WHERE finished_at IS NULL;
CREATE INDEX runs_waiting_for_alerts ON runs (object_key) WHERE finished_at IS NULL AND root_key IS NULL;
CREATE INDEX runs_on_root ON runs (root_key) WHERE finished_at IS NULL AND root_key IS NOT NULL;
-- Runs under way, for each scope in which they may be limited.
CREATE INDEX runs_acting ON runs (track, runbook) WHERE finished_at IS NULL AND sent = 1;
CREATE INDEX runs_acting_in_namespace ON runs (namespace, track) WHERE finished_at IS NULL AND sent = 1;
CREATE INDEX runs_acting_on_node ON runs (node, track) WHERE finished_at IS NULL AND sent = 1;
CREATE INDEX runs_acting_in_pool ON runs (node_pool, track) WHERE finished_at IS NULL AND sent = 1;
-- Pages.
CREATE INDEX runs_by_runbook ON runs (runbook, id);
CREATE INDEX runs_by_namespace ON runs (namespace, id) WHERE namespace IS NOT NULL;
CREATE INDEX runs_by_outcome ON runs (outcome, id) WHERE outcome IS NOT NULL;
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

-- `track` and `root_key` are the run's, `told_at` is the episode's: what is asked of a root is one range of one index, however
-- long its history is.
CREATE TABLE run_alerts (
    run_id TEXT NOT NULL,
    episode_id TEXT NOT NULL,
    track TEXT NOT NULL,
    root_key TEXT,
    told_at BIGINT,
    PRIMARY KEY (run_id, episode_id)
) WITHOUT ROWID;
CREATE INDEX run_alerts_by_episode ON run_alerts (episode_id);
CREATE INDEX run_alerts_by_root ON run_alerts (root_key, track, told_at) WHERE root_key IS NOT NULL;

CREATE TABLE journal (
    run_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    v BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (run_id, n)
) WITHOUT ROWID;

-- Runs that started a real mutation (in tracks that only look: that would have), for cooldown, attempts and rate, in every scope
-- in which they may be counted.
CREATE TABLE attempts (
    run_id TEXT NOT NULL PRIMARY KEY,
    track TEXT NOT NULL,
    root_key TEXT NOT NULL,
    runbook TEXT NOT NULL,
    namespace TEXT,
    node TEXT,
    node_pool TEXT,
    at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX attempts_on_root ON attempts (root_key, track, runbook, at);
CREATE INDEX attempts_of_runbook ON attempts (track, runbook, at);
CREATE INDEX attempts_in_namespace ON attempts (namespace, track, at) WHERE namespace IS NOT NULL;
CREATE INDEX attempts_on_node ON attempts (node, track, at) WHERE node IS NOT NULL;
CREATE INDEX attempts_in_pool ON attempts (node_pool, track, at) WHERE node_pool IS NOT NULL;
CREATE INDEX attempts_of_all ON attempts (at, track);

-- Since when a root has not been quiet, as a runbook in a track sees it: `quiet` is the runbook's own.
CREATE TABLE incidents (
    root_key TEXT NOT NULL,
    track TEXT NOT NULL,
    runbook TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (root_key, track, runbook)
) WITHOUT ROWID;
CREATE INDEX incidents_by_age ON incidents (started_at);

CREATE TABLE pauses (
    id TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL, -- all, runbook, namespace
    name TEXT NOT NULL, -- empty for all
    who TEXT NOT NULL,
    source TEXT NOT NULL,
    why TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    until BIGINT,
    ended_at BIGINT,
    ended_by TEXT
);
CREATE INDEX pauses_in_force ON pauses (scope, name) WHERE ended_at IS NULL;
CREATE INDEX pauses_by_age ON pauses (created_at);

-- What people asked of runs: rows that the engine judges.
CREATE TABLE requests (
    id TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    kind TEXT NOT NULL, -- cancel
    who TEXT NOT NULL,
    source TEXT NOT NULL,
    why TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX requests_by_run ON requests (run_id, kind, id);

-- Every intent, result and human order, each row carrying the digest of the one before.
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    run_id TEXT,
    who TEXT NOT NULL,
    data TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_run ON audit (run_id) WHERE run_id IS NOT NULL;

-- Values of the cluster label that alerts have carried while none is configured: a few, since the third changes nothing.
CREATE TABLE clusters (
    value TEXT NOT NULL PRIMARY KEY,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);

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
CREATE INDEX messages_old_digests ON messages (opened_at) WHERE kind = 'digest';
CREATE INDEX messages_posted ON messages (sink, channel, id) WHERE remote_channel IS NOT NULL;

-- What a service has forbidden until then: kept, since it counts across restarts.
CREATE TABLE holds (
    scope TEXT NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
