use super::*;

fn sums(hour: i64, user: u32, model: &str) -> Sums {
    let mut names: [String; 8] = Default::default();
    names[0] = format!("user-{user}");
    names[5] = model.to_owned();
    Sums { hour, names, sums: [1, 2, 3, 4, 5, 6, 7] }
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

#[test]
fn an_hour_has_a_bounded_number_of_rows_and_loses_no_sum() {
    let connection = Connection::open_in_memory().expect("a database");
    let tables = [include_str!("../../schema.sql"), include_str!("../../spend.sql")].concat();
    connection.execute_batch(&tables).expect("tables");
    connection.execute_batch("BEGIN").expect("a transaction");
    let mut roll = Roll::read(&connection, 0).expect("nothing");
    let users = MAX_NAMED + 100;
    for user in 0..users {
        roll.add(&connection, sums(7, user, "gpt")).expect("added");
    }
    for nth in 0..1_000 {
        // Later ones with names that nobody had before, and one that was there from the first.
        roll.add(&connection, sums(7, users, &format!("model-{nth}"))).expect("added");
        roll.add(&connection, sums(7, 0, "gpt")).expect("added");
    }
    let rows = number(&connection, "SELECT count(*) FROM spend");
    assert_eq!(rows, i64::from(MAX_HALF_NAMED) + 1);
    let requests = number(&connection, "SELECT sum(requests) FROM spend");
    assert_eq!(requests, i64::from(users) + 2_000);
    let first = "SELECT requests FROM spend WHERE user = 'user-0'";
    assert_eq!(number(&connection, first), 1_001);
    let half = "SELECT requests FROM spend WHERE user = '(others)' AND model = 'gpt'";
    assert_eq!(number(&connection, half), 100);
    // Another hour begins anew, also in a process that has just started.
    roll.add(&connection, sums(8, users, "gpt")).expect("added");
    let mut later = Roll::read(&connection, 0).expect("the same");
    later.add(&connection, sums(7, users, "another")).expect("added");
    let rows = number(&connection, "SELECT count(*) FROM spend");
    assert_eq!(rows, i64::from(MAX_HALF_NAMED) + 2);
}
