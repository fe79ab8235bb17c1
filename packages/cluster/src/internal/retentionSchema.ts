/** What removes old rows, and how often the large tables are vacuumed. */

const manifestPartitions = Array.from({ length: 8 }, (_, i) => `live_response.manifest_${i}`)

// By default a table is vacuumed when a fifth of it has changed: of a hundred million rows, that is twenty million.
const oftenVacuumed = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02"

export const retention: ReadonlyArray<string> = [
  // Rows are appended in the order of their time, so an index of a few kilobytes finds the pages that are old.
  `create index manifest_at on live_response.manifest using brin (at) with (autosummarize = on)`,
  // The last runs of a tenant, however many others have had.
  `create index cluster_runs_tenant on live_response.cluster_runs (tenant, at)`,
  ...manifestPartitions.map((table) => `alter table ${table} set (${oftenVacuumed})`),
  `alter table live_response.quota_calls set (${oftenVacuumed})`,

  // Removes at most p_most old calls, log by log, and returns how many. A log that is in use removes its own, so what is left here is
  // of logs that nobody opens any more. It takes no lock: no window counts calls that are this old.
  `create function live_response.quota_remove_old(p_before timestamptz, p_most int) returns int language plpgsql as $$
  declare name text; removed int; total int := 0;
  begin
    select min(log) into name from live_response.quota_calls;
    while name is not null and total < p_most loop
      delete from live_response.quota_calls where log = name and id in (
        select id from live_response.quota_calls
          where log = name and (at < p_before or at is null and lease_until < p_before) limit p_most - total);
      get diagnostics removed = row_count;
      total := total + removed;
      select min(log) into name from live_response.quota_calls where log > name;
    end loop;
    delete from live_response.quota_blocks where until < p_before;
    return total;
  end $$`,
]
