#!/bin/sh
# Installs live-response: downloads the binary for this machine, checks its SHA-256, and puts it into a directory.
#
#     sh install.sh [--from ADDRESS|DIRECTORY] [--to DIRECTORY]
#
# --from  where the files of a release are: an https address, or a directory of this machine. By default the latest release
# --to    where the program goes: ~/.local/bin by default, /usr/local/bin for root
set -eu

# A release has its own address here.
release=

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# The name of the archive for this machine.
archive_name() {
  system=$(uname -s) machine=$(uname -m)
  case $system in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "there is no binary for $system; with Node 22.19 or later: npx @live-response/cli" ;;
  esac
  case $machine in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) fail "there is no binary for $system on $machine; with Node 22.19 or later: npx @live-response/cli" ;;
  esac
  # Alpine and the like. Their ldd prints its name to standard error.
  if [ "$os" = linux ] && has ldd && ldd --version 2>&1 | grep -qi musl; then
    fail "the binary needs glibc, and this system has musl; with Node 22.19 or later: npx @live-response/cli"
  fi
  echo "live-response-$os-$cpu.tar.gz"
}

# Fetches file $1 of the release to $2. Only this machine may be asked without TLS.
fetch() {
  case $release in
    https://*) protocol="=https" ;;
    http://127.0.0.1:* | http://localhost:*) protocol="=http" ;;
    *://*) fail "$release is not an https address" ;;
    *)
      cp "$release/$1" "$2" || fail "$release has no $1"
      return
      ;;
  esac
  if has curl; then
    curl --fail --silent --show-error --location --proto "$protocol" --retry 3 --output "$2" "$release/$1" ||
      fail "$release/$1 could not be downloaded; run the same command again"
  elif has wget; then
    wget -q -O "$2" "$release/$1" || fail "$release/$1 could not be downloaded; run the same command again"
  else
    fail "curl or wget is needed; install one of them, or download the release and use --from DIRECTORY"
  fi
}

sha256() {
  if has sha256sum; then sum=$(sha256sum "$1")
  elif has shasum; then sum=$(shasum -a 256 "$1")
  elif has openssl; then sum=$(openssl dgst -sha256 -r "$1")
  else fail "sha256sum, shasum or openssl is needed to check the download; install one of them"
  fi
  echo "${sum%% *}"
}

main() {
  if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to=${HOME:?}/.local/bin; fi
  while [ $# -gt 0 ]; do
    case $1 in
      --from) release=${2:?"--from needs a value"} ;;
      --to) to=${2:?"--to needs a value"} ;;
      *) fail "$1 is unknown; use --from ADDRESS or --to DIRECTORY" ;;
    esac
    shift 2
  done
  [ -n "$release" ] || fail "this copy is not of a release; name one with --from ADDRESS"
  release=${release%/}
  archive=$(archive_name)

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  fetch SHA256SUMS "$work/SHA256SUMS"
  wanted=$(awk -v name="$archive" '$2 == name { print $1 }' "$work/SHA256SUMS")
  [ -n "$wanted" ] || fail "$release has no $archive in its SHA256SUMS"
  fetch "$archive" "$work/$archive"
  found=$(sha256 "$work/$archive")
  [ "$found" = "$wanted" ] ||
    fail "$archive is not what SHA256SUMS says, and was not installed (its SHA-256 is $found); run the same command again"

  tar -xzf "$work/$archive" -C "$work"
  mkdir -p "$to"
  # Beside the program first, so that a program that runs is replaced in one step.
  cp "$work/${archive%.tar.gz}/live-response" "$to/.live-response.new"
  chmod 755 "$to/.live-response.new"
  mv -f "$to/.live-response.new" "$to/live-response"
  echo "Installed $("$to/live-response" --version) in $to."
  case ":$PATH:" in
    *":$to:"*) echo "Try it: live-response demo" ;;
    *) echo "Add $to to your PATH, then try it: live-response demo" ;;
  esac
}

# The last line, so that a script that was cut off does nothing.
main "$@"
