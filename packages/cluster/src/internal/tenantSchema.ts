/**
 * Tenants, and what is known of each. Every table but the first carries the epoch of the owner that wrote the row; a write of an
 * owner whose epoch is not the tenant's any more changes nothing.
 *
 * JSON is in columns of type json and not jsonb, which refuses the character U+0000: machines send it.
 */
export const tenants: ReadonlyArray<string> = [
  // A tenant that is removed keeps its row, so that its epoch never starts over.
  `create table live_response.tenants (
    tenant uuid primary key, name text not null, enabled boolean not null default true, removed boolean not null default false,
    epoch int not null default 0, updated_at timestamptz not null default now())`,

  // The key of a selection can be longer than an index allows, so its hash identifies it.
  `create table live_response.positions (
    tenant uuid not null, key_sha256 bytea not null, key json not null, position json not null, epoch int not null,
    updated_at timestamptz not null default now(), primary key (tenant, key_sha256))`,

  `create table live_response.manifest (
    tenant uuid not null, machine_action_id uuid not null, idx int not null, status text not null, is_package boolean not null,
    entry json not null,
    epoch int not null, at timestamptz not null default now(), primary key (tenant, machine_action_id, idx))
    partition by hash (tenant)`,
  ...Array.from(
    { length: 8 },
    (_, i) =>
      `create table live_response.manifest_${i} partition of live_response.manifest for values with (modulus 8, remainder ${i})`,
  ),
  `create index manifest_failed on live_response.manifest (tenant, machine_action_id, idx) where status = 'failed'`,

  `create table live_response.runs (
    tenant uuid not null, session_sha256 bytea not null, session json not null, run text not null, epoch int not null,
    at timestamptz not null default now(), primary key (tenant, session_sha256))`,

  `create table live_response.sessions (
    tenant uuid not null, run text not null, machine_id text not null, entry json not null, epoch int not null,
    at timestamptz not null default now(), primary key (tenant, run, machine_id))`,
]
