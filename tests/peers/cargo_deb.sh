# cargo-deb, which makes the Debian package out of Cargo.toml. Sourced by tests/run.

CARGO_DEB_VERSION=3.8.0

cargo_deb_home="$peers/cargo-deb-$CARGO_DEB_VERSION"
export SPANWISE_CARGO_DEB="$cargo_deb_home/bin/cargo-deb"

cargo_deb() {
  [[ -x $SPANWISE_CARGO_DEB ]] && return 0
  local build="$cargo_deb_home.$$"
  CARGO_TARGET_DIR="$build/target" cargo install --quiet --locked --root "$build" "cargo-deb@$CARGO_DEB_VERSION"
  rm -rf "$build/target" "$cargo_deb_home"
  mv "$build" "$cargo_deb_home"
}
