//! A request that the server finds wrong, in words of the command line.

use keystile_client::ClientError;
use keystile_wire::FieldProblem;

use super::setting::flag_of;
use crate::commands::output::plain;
use crate::failure::Failure;

/// Names the flag of each broken rule, where the server names the field.
pub(in crate::commands) fn in_flags(error: ClientError) -> Failure {
    match &error {
        ClientError::Problem(problem) if problem.errors.iter().any(|broken| !broken.field.is_empty()) => {
            let rules: Vec<_> = problem.errors.iter().map(rule).collect();
            let (code, status, request) = (&problem.code, problem.status, &problem.request_id);
            let message = format!("{} ({code}, HTTP {status}, request {request})", rules.join("\n"));
            Failure::new(message.lines().map(plain).collect::<Vec<_>>().join("\n  "))
        }
        ClientError::Problem(_)
        | ClientError::Unsendable(_)
        | ClientError::Unreachable { .. }
        | ClientError::Interrupted { .. }
        | ClientError::Unexpected { .. } => error.into(),
    }
}

/// `rate_limits[1].name` is the name in the second `--rate-limit`.
fn rule(FieldProblem { field, message }: &FieldProblem) -> String {
    let end = field.find(['.', '[']).unwrap_or(field.len());
    let (root, path) = field.split_at(end);
    if root.is_empty() {
        return message.clone();
    }
    let (index, inner) = path.strip_prefix('[').and_then(|path| path.split_once(']')).unwrap_or(("", path));
    let which =
        index.parse::<usize>().map_or_else(|_| String::new(), |index| format!(" number {}", index + 1));
    let inner = inner.strip_prefix('.').map_or_else(String::new, |inner| format!(", {inner}"));
    format!("{}{which}{inner}: {message}", flag_of(root))
}

#[cfg(test)]
mod tests {
    use keystile_wire::Problem;

    use super::*;

    fn told(errors: &[(&str, &str)]) -> String {
        let as_problem = |(field, message): &(&str, &str)| FieldProblem {
            field: (*field).into(),
            message: (*message).into(),
        };
        let problem = Problem {
            kind: "urn:keystile:problem:invalid_request".into(),
            title: "Invalid request".into(),
            status: 400,
            code: "invalid_request".into(),
            detail: "it is wrong".into(),
            request_id: "req_1".into(),
            errors: errors.iter().map(as_problem).collect(),
            current_version: None,
            limited_by: None,
            error: None,
            error_description: None,
        };
        format!("{:?}", in_flags(ClientError::Problem(Box::new(problem))))
    }

    #[test]
    fn each_broken_rule_is_told_with_its_flag() {
        let one = told(&[("rate_limits[1].name", "must differ")]);
        let expected = "--rate-limit number 2, name: must differ (invalid_request, HTTP 400, request req_1)";
        assert!(one.contains(expected), "{one}");
        let two = told(&[("source_id", "too\u{1b}long"), ("metadata", "too large")]);
        assert!(two.contains("--source-id: too\u{fffd}long\\n  --metadata: too large ("), "{two}");
    }

    #[test]
    fn what_is_about_no_field_is_told_as_the_server_tells_it() {
        assert!(told(&[]).contains("it is wrong (invalid_request, HTTP 400, request req_1)"));
        assert!(told(&[("", "is no object")]).contains("it is wrong"));
    }
}
