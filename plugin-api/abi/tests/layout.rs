//! The vtable is frozen: any change of its layout is a visible diff of `layout.txt`, and a new ABI.
//!
//! `ALLOS_UPDATE_SNAPSHOTS=1 cargo test -p allos-plugin-abi` writes the file anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use allos_plugin_abi::abi_stable::StableAbi;
use allos_plugin_abi::abi_stable::type_layout::{TLField, TypeLayout};
use allos_plugin_abi::{
    ABI_VERSION, FrameStreamBox, HostBox, HttpReply, PLUGIN_SYMBOL, PluginRef, ProviderBox,
};

#[test]
fn the_layout_of_the_vtable_is_the_one_that_was_committed() {
    let layout = describe(&[
        <PluginRef as StableAbi>::LAYOUT,
        <ProviderBox as StableAbi>::LAYOUT,
        <HostBox as StableAbi>::LAYOUT,
        <FrameStreamBox as StableAbi>::LAYOUT,
        <HttpReply as StableAbi>::LAYOUT,
    ]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout.txt");
    if std::env::var_os("ALLOS_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &layout).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(layout, committed, "the frozen vtable has changed: that is a new ABI version");
}

#[test]
fn the_abi_version_is_the_major_version_of_this_crate() {
    assert_eq!(ABI_VERSION.to_string(), env!("CARGO_PKG_VERSION_MAJOR"));
    assert_eq!(PLUGIN_SYMBOL, format!("allos_plugin_{ABI_VERSION}"));
}

/// Every type that the vtable reaches: our own in full, those of other crates by size.
fn describe(roots: &[&'static TypeLayout]) -> String {
    let (mut types, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for root in roots {
        visit(root, &mut types, &mut seen);
    }
    types.into_values().collect()
}

fn visit(
    layout: &'static TypeLayout,
    types: &mut BTreeMap<String, String>,
    seen: &mut BTreeSet<*const TypeLayout>,
) {
    if !seen.insert(std::ptr::from_ref(layout)) {
        return;
    }
    let name = format!("{}::{}", layout.mod_path(), layout.full_type());
    let own_fields = layout.get_fields().map(|fields| fields.to_vec()).unwrap_or_default();
    let (package, version) = layout.package_and_version();
    let mut text = format!(
        "{name}  ({package} {version}, {} bytes, aligned to {})\n",
        layout.size(),
        layout.alignment()
    );
    if package.as_str() == env!("CARGO_PKG_NAME") {
        for field in &own_fields {
            writeln!(text, "    {}: {}", field.name(), field_type(field)).unwrap();
        }
    }
    types.insert(name, text);
    for field in own_fields.iter().chain(&layout.phantom_fields().to_vec()) {
        visit(field.layout(), types, seen);
        for function in field.function_range().iter() {
            if let Some(layout) = function.return_type_layout() {
                visit(layout(), types, seen);
            }
        }
    }
}

fn field_type(field: &TLField) -> String {
    match field.function_range().iter().next() {
        // What follows the signature's line is how abi_stable stores its lifetimes.
        Some(function) => function.to_string().lines().next().unwrap_or_default().to_owned(),
        None => field.full_type().to_string(),
    }
}
