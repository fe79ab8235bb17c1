/**
 * What a tenant's collector needs to know, and what is known of its work. `settings` has what no statement compares.
 *
 * `revision` counts the changes of a tenant: a runner restarts the work of a tenant whose revision is not the one it started with.
 * No two tenants have one prefix, not even a removed one, because its results are still there.
 */
export const tenantSettings: ReadonlyArray<string> = [
  `alter table live_response.tenants
    add column revision int not null default 0, add column storage_prefix text,
    add column settings json not null default '{"cloud":"commercial","selection":{},"credential":{"kind":"managed"}}'`,
  `update live_response.tenants set storage_prefix = tenant::text`,
  `alter table live_response.tenants alter column storage_prefix set not null`,
  `create unique index tenants_storage_prefix on live_response.tenants (storage_prefix)`,

  // A row knows what it replaced, so that one statement counts exactly, even if it runs twice.
  `alter table live_response.manifest
    add column bytes bigint not null default 0, add column replaced_status text, add column replaced_bytes bigint`,

  // Counted in the statement that writes the manifest. Free space in each page keeps the updates in that page.
  `create table live_response.tenant_status (
    tenant uuid primary key, completed bigint not null default 0, failed bigint not null default 0, bytes bigint not null default 0,
    completed_at timestamptz, runner text, started_at timestamptz, looked_at timestamptz, error text, error_at timestamptz,
    epoch int not null default 0) with (fillfactor = 50)`,
]
