//! Each plugin keeps the rules of its role.

use super::HtmlReport;

#[test]
fn html_report() {
    convert_testing::exporter::<HtmlReport>("{}");
}
