#!/bin/sh
# Runs once, when the database is new: two roles, of which only the one that owns the database can change its schema.
set -eu
# psql reads the passwords itself: an argument is seen by every process.
psql --set ON_ERROR_STOP=1 --username postgres <<'SQL'
\set owner `cat /run/secrets/owner-password`
\set runner `cat /run/secrets/runner-password`
create role owner login password :'owner';
create role runner login password :'runner';
create database live_response owner owner;
revoke connect on database live_response from public;
grant connect on database live_response to runner;
SQL
