//! Answers to packages' questions, given before any script asks: debconf-set-selections(1).

use std::collections::{BTreeMap, BTreeSet};

use unpack::{Control, Inside};

use crate::error::Error;
use crate::similar::similar;

/// Where debconf keeps questions: those whose answers are secret apart.
const DATABASES: [&str; 2] = ["var/cache/debconf/config.dat", "var/cache/debconf/passwords.dat"];

/// The owner of a question for the time in which no package has it.
const NOBODY: &str = "heirloom-definition";

/// The input of `debconf-set-selections`: owner, question, type, answer. The owner and the type
/// are those of the package whose templates have the question. One that no package has may be
/// registered by a script (dbconfig-common's): until then it is nobody's, and a string or a truth
/// value.
pub(super) fn selections(controls: &[Control], answers: &BTreeMap<String, String>) -> String {
    let questions: BTreeMap<&str, (&str, &str)> = controls.iter().flat_map(questions).collect();
    let mut selections = String::new();
    for (question, answer) in answers {
        let guessed =
            if ["true", "false"].contains(&answer.as_str()) { "boolean" } else { "string" };
        let (package, kind) =
            questions.get(question.as_str()).copied().unwrap_or((NOBODY, guessed));
        let answer = answer.replace('\n', " ");
        selections.push_str(&format!("{package}\t{question}\t{kind}\t{answer}\n"));
    }
    selections
}

/// Refuses answers to what no package has asked when all scripts have run, and takes the one who
/// stood in for the packages that did out of debconf's database.
pub(super) fn settle(
    inside: &Inside,
    controls: &[Control],
    answers: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let of_templates: BTreeSet<&str> =
        controls.iter().flat_map(questions).map(|(name, _)| name).collect();
    let late: Vec<&String> =
        answers.keys().filter(|name| !of_templates.contains(name.as_str())).collect();
    if late.is_empty() {
        return Ok(());
    }
    let mut owned = BTreeSet::new();
    for path in DATABASES {
        let text = inside.text(path)?.unwrap_or_default();
        owned.extend(text.split("\n\n").filter_map(owned_question).map(str::to_owned));
    }
    if let Some(question) = late.into_iter().find(|question| !owned.contains(*question)) {
        let known = owned.iter().map(String::as_str).chain(of_templates.iter().copied());
        let similar = similar(question, known).map(str::to_owned);
        return Err(Error::UnknownQuestion { question: question.clone(), similar });
    }
    for path in DATABASES {
        if inside.has(path) {
            inside.edit(path, without_nobody)?;
        }
    }
    let templates = "var/cache/debconf/templates.dat";
    if inside.has(templates) {
        inside.edit(templates, without_nobody)?;
    }
    Ok(())
}

/// The name in a stanza of debconf's database, if a package has the question.
fn owned_question(stanza: &str) -> Option<&str> {
    let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let is_owned = field("Owners:")?.split(", ").any(|owner| owner != NOBODY);
    is_owned.then_some(field("Name:")?)
}

/// A database without the owner that is nobody, and without what only that one had.
fn without_nobody(text: &str) -> String {
    let is_nobodys = |stanza: &&str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix("Owners:"));
        line.is_some_and(|owners| {
            owners.split(", ").all(|owner| owner.trim().split('/').next() == Some(NOBODY))
        })
    };
    let stanzas = text.split("\n\n").filter(|stanza| !is_nobodys(stanza));
    let edited = stanzas.map(|stanza| {
        let lines = stanza.split('\n').map(|line| match line.strip_prefix("Owners: ") {
            Some(owners) => {
                let kept =
                    owners.split(", ").filter(|owner| owner.split('/').next() != Some(NOBODY));
                format!("Owners: {}", kept.collect::<Vec<_>>().join(", "))
            }
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    edited.collect::<Vec<_>>().join("\n\n")
}

/// The questions of a package: name, package, type.
fn questions(control: &Control) -> impl Iterator<Item = (&str, (&str, &str))> {
    let text = control.text("templates").unwrap_or_default();
    text.split("\n\n").filter_map(|template| {
        let field =
            |name: &str| template.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((field("Template:")?, (control.package(), field("Type:")?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use unpack::ControlFile;

    fn postfix() -> Control {
        let file = |text: &str| ControlFile { bytes: text.into(), executable: false };
        let templates = "Template: postfix/main_mailer_type\nType: select\nDefault: x\n\n\
                         Template: postfix/mailname\nType: string\n";
        let files = [("control", "Package: postfix\nVersion: 3\n"), ("templates", templates)];
        let files = files.map(|(name, text)| (name.to_owned(), file(text)));
        Control { files: files.into() }
    }

    fn answers(question: &str, answer: &str) -> BTreeMap<String, String> {
        [(question.to_owned(), answer.to_owned())].into()
    }

    /// What is said of an answer when debconf's database is this one, and what becomes of it.
    fn settled(question: &str, database: &str) -> Result<String, Error> {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join(DATABASES[0]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, database).unwrap();
        let inside = Inside::open(tree.path()).unwrap();
        settle(&inside, &[postfix()], &answers(question, "true"))?;
        Ok(fs::read_to_string(path).unwrap())
    }

    #[test]
    fn an_answer_has_the_owner_and_type_of_its_template() {
        let answers = answers("postfix/main_mailer_type", "No configuration");
        assert_eq!(
            selections(&[postfix()], &answers),
            "postfix\tpostfix/main_mailer_type\tselect\tNo configuration\n"
        );
    }

    #[test]
    fn an_answer_to_what_a_script_registers_is_given_and_kept() {
        let answers = answers("roundcube/dbconfig-install", "false");
        assert_eq!(
            selections(&[postfix()], &answers),
            format!("{NOBODY}\troundcube/dbconfig-install\tboolean\tfalse\n")
        );
        let other = "Name: a/b\nOwners: a\n";
        let database = format!(
            "{other}\nName: roundcube/dbconfig-install\nOwners: {NOBODY}, roundcube-core\n\n"
        );
        assert_eq!(
            settled("roundcube/dbconfig-install", &database).unwrap(),
            format!("{other}\nName: roundcube/dbconfig-install\nOwners: roundcube-core\n\n")
        );
    }

    #[test]
    fn an_answer_to_nothing_is_an_error_that_names_the_likely_question() {
        let database = format!("Name: postfix/main_mailer_typ\nOwners: {NOBODY}\n\n");
        let error = settled("postfix/main_mailer_typ", &database).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean `postfix/main_mailer_type`?"));
        let database = "Name: roundcube/dbconfig-install\nOwners: roundcube-core\n\n";
        let error = settled("roundcube/dbconfig-instal", database).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean `roundcube/dbconfig-install`?"));
    }
}
