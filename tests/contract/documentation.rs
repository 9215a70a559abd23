//! What the documentation promises is what a test shows.

use std::collections::BTreeMap;

use crate::artifact;

/// A cell of the table of capabilities: a row's capability, a column's provider, and the word.
struct Cell {
    place: String,
    text: String,
}

#[test]
fn each_cell_of_the_table_of_capabilities_names_a_test_that_there_is() {
    let page = page("docs/providers.md");
    let cells = cells(&page);
    assert!(cells.len() > 80, "the table is found: {} cells", cells.len());
    let tests = definitions(&page);
    let complaint = |cell: &Cell| Some(format!("{}: {}", cell.place, wrong(cell, &tests)?));
    let complaints: Vec<_> = cells.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What is wrong with a cell, which must be `[word][label]` with a definition of the label.
fn wrong(cell: &Cell, tests: &BTreeMap<String, (String, String)>) -> Option<String> {
    let label = cell.text.split_once("][").and_then(|(_, rest)| rest.strip_suffix(']'));
    let Some(label) = label else { return Some(format!("`{}` names no test", cell.text)) };
    let Some((file, name)) = tests.get(label) else { return Some(format!("no [{label}]")) };
    let source = page(&format!("docs/{file}"));
    let exists = [format!("fn {name}("), format!("def {name}(")];
    let exists = exists.iter().any(|it| source.contains(it));
    (!exists).then(|| format!("{file} has no test `{name}`"))
}

/// The cells of the table whose first heading is `capability`.
fn cells(page: &str) -> Vec<Cell> {
    let mut lines = page.lines().skip_while(|line| !line.starts_with("| capability |"));
    let providers = lines.next().map(row).unwrap_or_default();
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(row);
    rows.flat_map(|row| {
        assert_eq!(row.len(), providers.len(), "a cell for each provider: {row:?}");
        let cells = row.iter().zip(&providers).skip(1).map(|(text, provider)| Cell {
            place: format!("{}, {provider}", row[0]),
            text: text.clone(),
        });
        cells.collect::<Vec<_>>()
    })
    .collect()
}

fn row(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The definitions of links whose title is the name of a test: its file and its name by the label.
fn definitions(page: &str) -> BTreeMap<String, (String, String)> {
    let definition = |line: &str| {
        let (label, rest) = line.strip_prefix('[')?.split_once("]: ")?;
        let (file, title) = rest.split_once(" \"")?;
        let name = title.trim_end().strip_suffix('"')?;
        Some((label.to_owned(), (file.to_owned(), name.to_owned())))
    };
    page.lines().filter_map(definition).collect()
}

fn page(path: &str) -> String {
    let path = artifact::workspace().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
