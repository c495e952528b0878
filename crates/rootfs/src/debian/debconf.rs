//! Answers to packages' questions, given before any script asks: debconf-set-selections(1).

use std::collections::BTreeMap;

use unpack::Package;

use crate::error::Error;
use crate::similar::similar;

/// The input of `debconf-set-selections`: owner, question, type, answer. The owner and the type
/// are those of the package whose templates have the question.
pub(super) fn selections(
    packages: &[Package],
    answers: &BTreeMap<String, String>,
) -> Result<String, Error> {
    let questions: BTreeMap<&str, (&str, &str)> = packages.iter().flat_map(questions).collect();
    let mut selections = String::new();
    for (question, answer) in answers {
        let Some((package, kind)) = questions.get(question.as_str()) else {
            let similar = similar(question, questions.keys().copied()).map(str::to_owned);
            return Err(Error::UnknownQuestion { question: question.clone(), similar });
        };
        let answer = answer.replace('\n', " ");
        selections.push_str(&format!("{package}\t{question}\t{kind}\t{answer}\n"));
    }
    Ok(selections)
}

/// The questions of a package: name, package, type.
fn questions(package: &Package) -> impl Iterator<Item = (&str, (&str, &str))> {
    let text = package.control.text("templates").unwrap_or_default();
    text.split("\n\n").filter_map(|template| {
        let field =
            |name: &str| template.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((field("Template:")?, (package.control.package(), field("Type:")?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use unpack::{Control, ControlFile};

    fn postfix() -> Package {
        let file = |text: &str| ControlFile { bytes: text.into(), executable: false };
        let templates = "Template: postfix/main_mailer_type\nType: select\nDefault: x\n\n\
                         Template: postfix/mailname\nType: string\n";
        let files = [("control", "Package: postfix\nVersion: 3\n"), ("templates", templates)];
        let files = files.map(|(name, text)| (name.to_owned(), file(text)));
        Package::new(Control { files: files.into() }, vec![])
    }

    fn answer(question: &str) -> Result<String, Error> {
        let answers = [(question.to_owned(), "No configuration".to_owned())].into();
        selections(&[postfix()], &answers)
    }

    #[test]
    fn an_answer_has_the_owner_and_type_of_its_template() {
        assert_eq!(
            answer("postfix/main_mailer_type").unwrap(),
            "postfix\tpostfix/main_mailer_type\tselect\tNo configuration\n"
        );
    }

    #[test]
    fn an_answer_to_nothing_is_an_error_that_names_the_likely_question() {
        let error = answer("postfix/main_mailer_typ").unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean `postfix/main_mailer_type`?"));
    }
}
