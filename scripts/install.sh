#!/usr/bin/env bash
# Installs a build: install.sh BUILD_FOLDER LIBTORCH PREFIX. The tree goes to PREFIX/lib/convert-labels, two names for its executable to PREFIX/bin.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1 libtorch=$(readlink -f "$2")
say() { printf '%s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

[ -e "$libtorch/lib/libtorch_cpu.so" ] || die "$libtorch has no lib/libtorch_cpu.so: run \`make build\`"
mkdir -p "$3/bin" "$3/lib"
prefix=$(cd "$3" && pwd)
tree=$prefix/lib/convert-labels
ours() { [ "$(readlink "$1" 2>/dev/null)" = ../lib/convert-labels/convert ]; }
free() { [ ! -e "$1" ] && [ ! -L "$1" ]; }
{ [ ! -e "$tree" ] || [ -x "$tree/convert" ]; } || die "$tree is something else: move it away, or choose another PREFIX"
free "$prefix/bin/convert-labels" || ours "$prefix/bin/convert-labels" || die "$prefix/bin/convert-labels is something else: move it away, or choose another PREFIX"

"$root/scripts/wheel-tools.sh"
new=$(mktemp -d "$prefix/lib/.convert-labels.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
glibc=$("$root/scripts/stage.sh" "$build" "$new")
ln -s "$libtorch" "$new/libtorch"
# A run that uses the old tree keeps its open files.
old=$prefix/lib/.convert-labels.old
rm -rf "$old"
if [ -e "$tree" ]; then mv "$tree" "$old"; fi
mv "$new" "$tree"
rm -rf "$old"

say "installed  $tree (needs glibc $glibc)"
say "libtorch   $libtorch, which must stay there"
ln -sfn ../lib/convert-labels/convert "$prefix/bin/convert-labels"
say "command    $prefix/bin/convert-labels"
if free "$prefix/bin/convert" || ours "$prefix/bin/convert"; then
    ln -sfn ../lib/convert-labels/convert "$prefix/bin/convert"
    say "command    $prefix/bin/convert"
else
    say "           $prefix/bin/convert is another program's, and stays: type convert-labels"
fi

command=$prefix/bin/convert-labels
case :$PATH: in
    *:"$prefix/bin":*)
        if [ "$(command -v convert-labels)" = "$command" ]; then command=convert-labels; fi
        first=$(command -v convert || true)
        if [ -n "$first" ] && [ "${first%/*}" != "$prefix/bin" ]; then say "           the shell's convert is $first: type convert-labels"; fi ;;
    *) say "           $prefix/bin is not on PATH: add it with  export PATH=$(printf %q "$prefix/bin"):\$PATH" ;;
esac
# As a shell takes it, spaces and all.
printf 'Next:\n    %q doctor\n    cp -r %q .\n    %q --recipe recipes/demo.yaml\n' "$command" "$tree/recipes" "$command"
