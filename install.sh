#!/bin/sh
# Installs live-response: downloads the binary for this machine, checks its SHA-256, and puts it into a directory.
#
#     sh install.sh --help
set -eu

# A release has its own address here.
release=

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

usage() {
  cat <<'TEXT'
sh install.sh [--from ADDRESS|DIRECTORY] [--to DIRECTORY] [--share DIRECTORY]

  --from  where the files of a release are: an https address, or a directory of this machine; by default the release that
          this script belongs to
  --to    where the program goes: ~/.local/bin by default, /usr/local/bin for root
  --share also installs man pages and completions of bash, zsh and fish there, such as in ~/.local/share
TEXT
}

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
    # A user in an address hides the host after it.
    *://*@*) fail "$release has a user in it; leave out what is before @" ;;
    https://*) protocol="=https" redirects=20 ;;
    # It might redirect to another machine.
    http://127.0.0.1:* | http://localhost:*) protocol="=http" redirects=0 ;;
    *://*) fail "$release is not an https address" ;;
    *)
      cp -- "$release/$1" "$2" || fail "$release has no $1"
      return
      ;;
  esac
  # Other programs, such as wget, follow a redirect from https to http.
  has curl || fail "curl is needed; install it, or download the release and use --from DIRECTORY"
  curl --fail --silent --show-error --location --max-redirs "$redirects" --proto "$protocol" --retry 3 --output "$2" "$release/$1" ||
    fail "$release/$1 could not be downloaded; run the same command again"
}

sha256() {
  if has sha256sum; then sum=$(sha256sum "$1")
  elif has shasum; then sum=$(shasum -a 256 "$1")
  elif has openssl; then sum=$(openssl dgst -sha256 -r "$1")
  else fail "sha256sum, shasum or openssl is needed to check the download; install one of them"
  fi
  echo "${sum%% *}"
}

# Copies file $1 into directory $2.
put() {
  mkdir -p -- "$2" && cp "$1" "$2/" || fail "$2 could not be written to; choose another directory with --share"
}

# Puts what is beside the program in directory $1 where shells and man look below directory $2.
install_manual() {
  for page in "$1"/man/*.1; do put "$page" "$2/man/man1"; done
  put "$1/completions/bash/live-response" "$2/bash-completion/completions"
  put "$1/completions/zsh/_live-response" "$2/zsh/site-functions"
  put "$1/completions/fish/live-response.fish" "$2/fish/vendor_completions.d"
}

main() {
  share=
  if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to=${HOME:?}/.local/bin; fi
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit
        ;;
      --from | --to | --share) [ -n "${2-}" ] || fail "$1 needs a value; see --help" ;;
    esac
    case $1 in
      --from) release=$2 ;;
      --to) to=$2 ;;
      --share) share=$2 ;;
      *) fail "$1 is unknown; see --help" ;;
    esac
    shift 2
  done
  [ -n "$release" ] || fail "this copy is not of a release; name one with --from ADDRESS"
  release=${release%/}
  archive=$(archive_name)

  work=$(mktemp -d) new=
  trap 'rm -rf "$work" ${new:+"$new"}' EXIT
  trap 'exit 1' HUP INT TERM
  fetch SHA256SUMS "$work/SHA256SUMS"
  wanted=$(awk -v name="$archive" '$2 == name { print $1 }' "$work/SHA256SUMS")
  [ -n "$wanted" ] || fail "$release has no $archive in its SHA256SUMS"
  fetch "$archive" "$work/$archive"
  found=$(sha256 "$work/$archive")
  [ "$found" = "$wanted" ] ||
    fail "$archive is not what SHA256SUMS says, and was not installed (its SHA-256 is $found); run the same command again"

  tar -xzf "$work/$archive" -C "$work" || fail "$archive could not be unpacked in $work; free some space, or set TMPDIR"
  mkdir -p -- "$to" || fail "$to could not be created; choose another directory with --to"
  # PATH has absolute names.
  to=$(CDPATH='' cd -- "$to" && pwd)
  [ ! -d "$to/live-response" ] || fail "$to/live-response is a directory; remove it, or choose another directory with --to"
  # Beside the program first, so that a program that runs is replaced in one step, and only by one that runs.
  new=$to/.live-response.new
  cp "$work/${archive%.tar.gz}/live-response" "$new" ||
    fail "$to could not be written to; is it full? Free some space there, or choose another directory with --to"
  chmod 755 "$new"
  version=$("$new" --version) && [ -n "$version" ] ||
    fail "the program of $archive does not run on this machine, and was not installed"
  mv -f "$new" "$to/live-response"
  [ -z "$share" ] || install_manual "$work/${archive%.tar.gz}" "$share"
  echo "Installed $version in $to."
  case ":$PATH:" in
    *":$to:"*) echo "Try it: live-response demo" ;;
    *) echo "Add $to to your PATH, then try it: live-response demo" ;;
  esac
}

# The last line, so that a script that was cut off does nothing.
main "$@"
