/**
 * What a journal needs to know an earlier session in another spelling, and the runs that were given to the cluster.
 *
 * `cluster_runs` are requests of users; `runs` are the sessions of the journal, which several requests may share.
 */
export const runs: ReadonlyArray<string> = [
  // The rule which run a session continues depends on their order.
  `alter table live_response.runs add column opened bigint generated always as identity`,
  // Of its JSON, because text can't have U+0000. Rows of the schema before have none, and are compared each time.
  `alter table live_response.runs add column comment_sha256 bytea`,
  `create index runs_comment on live_response.runs (tenant, comment_sha256)`,

  `create table live_response.cluster_runs (
    run uuid primary key, tenant uuid not null references live_response.tenants, session json not null, options json not null,
    machines int not null, submitted_by text not null, state text not null default 'queued'
      check (state in ('queued', 'running', 'finished', 'failed', 'cancelled')),
    is_cancelling boolean not null default false, counts json, summary json, error json, epoch int,
    at timestamptz not null default now(), started_at timestamptz, ended_at timestamptz)`,
  `create index cluster_runs_open on live_response.cluster_runs (tenant, at) where state in ('queued', 'running')`,
  `create index cluster_runs_at on live_response.cluster_runs (at)`,
  `create index cluster_runs_ended on live_response.cluster_runs (ended_at) where ended_at is not null`,

  `create table live_response.cluster_run_machines (
    run uuid not null references live_response.cluster_runs on delete cascade, n int not null, machine_id text not null,
    primary key (run, n))`,

  `create table live_response.cluster_run_events (
    run uuid not null references live_response.cluster_runs on delete cascade, n int not null, event json not null,
    epoch int not null, primary key (run, n))`,
]
