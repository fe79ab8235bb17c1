/**
 * The log of the quota. The functions are `QuotaRule` in SQL, so that an operation is one round trip; all times are those of the
 * server. One operation on a log runs at a time: the lock of `quota_settle` holds until the transaction ends.
 */
export const quota: ReadonlyArray<string> = [
  // `at` is when the answer arrived, and null while the call is in flight.
  `create table live_response.quota_calls (
    log text not null, id text not null, at timestamptz, lease_until timestamptz not null, primary key (log, id))`,
  `create index quota_calls_at on live_response.quota_calls (log, at)`,
  `create table live_response.quota_blocks (log text primary key, until timestamptz not null)`,

  `create function live_response.quota_millis(span interval) returns float8 language sql immutable as $$
    select extract(epoch from span)::float8 * 1000 $$`,

  // Removes what no window counts, counts expired leases as answered, and returns the time.
  `create function live_response.quota_settle(p_log text, p_keep float8) returns timestamptz language plpgsql as $$
  declare t timestamptz;
  begin
    perform pg_advisory_xact_lock(hashtextextended('live_response quota ' || p_log, 0));
    t := clock_timestamp();
    update live_response.quota_calls set at = lease_until where log = p_log and at is null and lease_until <= t;
    delete from live_response.quota_calls where log = p_log and at <= t - p_keep * interval '1 millisecond';
    return t;
  end $$`,

  // What each window counts, and the milliseconds until it allows one more call. Calls in flight are counted first: one that is
  // answered meanwhile is counted twice, and never not at all.
  `create function live_response.quota_uses(p_log text, t timestamptz, p_limits int[], p_millis float8[])
    returns table (used bigint, delay float8) language plpgsql as $$
  declare in_flight bigint; span interval; leaving timestamptz;
  begin
    select count(*) into in_flight from live_response.quota_calls where log = p_log and at is null;
    for i in 1 .. coalesce(array_length(p_limits, 1), 0) loop
      span := p_millis[i] * interval '1 millisecond';
      select in_flight + count(*) into used from live_response.quota_calls where log = p_log and at > t - span;
      delay := 0;
      if used >= p_limits[i] then
        select at into leaving from live_response.quota_calls
          where log = p_log and at > t - span order by at offset used - p_limits[i] limit 1;
        delay := greatest(0, coalesce(live_response.quota_millis(leaving + span - t), p_millis[i]));
      end if;
      return next;
    end loop;
  end $$`,

  `create function live_response.quota_blocked(p_log text, t timestamptz) returns float8 language sql as $$
    select greatest(0, (select live_response.quota_millis(until - t) from live_response.quota_blocks where log = p_log)) $$`,

  // Inserts a call in flight and returns 0, or returns the milliseconds to wait.
  `create function live_response.quota_acquire(
    p_log text, p_keep float8, p_id text, p_lease float8, p_limits int[], p_millis float8[])
    returns float8 language plpgsql as $$
  declare t timestamptz := live_response.quota_settle(p_log, p_keep); wait float8;
  begin
    select greatest(live_response.quota_blocked(p_log, t), max(delay)) into wait
      from live_response.quota_uses(p_log, t, p_limits, p_millis);
    if wait <= 0 then
      insert into live_response.quota_calls (log, id, lease_until)
        values (p_log, p_id, t + p_lease * interval '1 millisecond');
    end if;
    return wait;
  end $$`,

  // Blocks calls, and adds those of others that a throttled call proves, spread over the window from the end of the wait.
  `create function live_response.quota_throttled(
    p_log text, p_keep float8, p_id text, p_wait float8, p_limit int, p_window float8)
    returns void language plpgsql as $$
  declare t timestamptz := live_response.quota_settle(p_log, p_keep); missing bigint; span float8;
  begin
    insert into live_response.quota_blocks as b values (p_log, t + p_wait * interval '1 millisecond')
      on conflict (log) do update set until = greatest(b.until, excluded.until);
    select p_limit - used into missing from live_response.quota_uses(p_log, t, array[p_limit], array[p_window]);
    span := greatest(0, p_window - p_wait);
    insert into live_response.quota_calls (log, id, at, lease_until)
      select p_log, p_id || ':' || i, at, at from generate_series(0, missing - 1) i,
        lateral (select t - span * (1 - i / missing::float8) * interval '1 millisecond' as at) spread;
  end $$`,

  `create function live_response.quota_status(p_log text, p_keep float8, p_limits int[], p_millis float8[])
    returns table (blocked float8, used float8[], delay float8[]) language plpgsql as $$
  declare t timestamptz := live_response.quota_settle(p_log, p_keep);
  begin
    return query select live_response.quota_blocked(p_log, t), array_agg(u.used::float8), array_agg(u.delay)
      from live_response.quota_uses(p_log, t, p_limits, p_millis) u;
  end $$`,

  `create function live_response.quota_calls_of(p_log text, p_keep float8, p_millis float8)
    returns table (now float8, in_flight float8, blocked_until float8, stamps float8[]) language plpgsql as $$
  declare t timestamptz := live_response.quota_settle(p_log, p_keep);
  begin
    return query select extract(epoch from t)::float8 * 1000,
      (select count(*)::float8 from live_response.quota_calls where log = p_log and at is null),
      coalesce((select extract(epoch from until)::float8 * 1000 from live_response.quota_blocks where log = p_log), 0),
      coalesce((select array_agg(extract(epoch from at)::float8 * 1000 order by at) from live_response.quota_calls
        where log = p_log and at > t - p_millis * interval '1 millisecond'), '{}');
  end $$`,
]
