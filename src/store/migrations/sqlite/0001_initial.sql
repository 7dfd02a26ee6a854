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

CREATE TABLE runbook_versions (
    version TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL
);

-- The versions that each file held when it was last read without an error.
CREATE TABLE runbook_files (
    file TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (file, name)
);

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    runbook TEXT NOT NULL,
    version TEXT NOT NULL,
    mode TEXT NOT NULL,
    lane TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    object TEXT, -- JSON of the alerted object by name; null when the target could not be rendered
    object_key TEXT,
    namespace TEXT,
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

CREATE TABLE run_alerts (
    run_id TEXT NOT NULL,
    episode_id TEXT NOT NULL,
    root_key TEXT,
    PRIMARY KEY (run_id, episode_id)
) WITHOUT ROWID;
CREATE INDEX run_alerts_by_episode ON run_alerts (episode_id);
CREATE INDEX run_alerts_by_root ON run_alerts (root_key, episode_id) WHERE root_key IS NOT NULL;

CREATE TABLE journal (
    run_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    v BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (run_id, n)
) WITHOUT ROWID;

-- Runs that started a real mutation (in lanes that only look: that would have), for cooldown, attempts and rate.
CREATE TABLE attempts (
    run_id TEXT NOT NULL PRIMARY KEY,
    lane TEXT NOT NULL,
    root_key TEXT NOT NULL,
    runbook TEXT NOT NULL,
    at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX attempts_on_root ON attempts (root_key, lane, runbook, at);

-- Since when a root has not been quiet, as a runbook in a lane sees it: `quiet` is the runbook's own.
CREATE TABLE incidents (
    root_key TEXT NOT NULL,
    lane TEXT NOT NULL,
    runbook TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (root_key, lane, runbook)
) WITHOUT ROWID;

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
CREATE INDEX requests_by_run ON requests (run_id);

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

-- Values of the cluster label that alerts have carried while none is configured.
CREATE TABLE clusters (
    value TEXT NOT NULL PRIMARY KEY,
    first_seen_at BIGINT NOT NULL
);
