//! Builds a lab with one process inside, prints that process's id, and stays until killed.

fn main() {
    #[cfg(target_os = "linux")]
    hold();
}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "the id is what this program is for")]
fn hold() {
    let mut lab = pointsman_lab::Lab::new(1).expect("a lab can be built");
    let mesh = pointsman_lab::Mesh::new(&mut lab, 1).expect("a mesh of one");
    let mut command = std::process::Command::new("cat");
    command.stdin(std::process::Stdio::piped());
    let mut child = mesh.hosts[0].namespace.spawn(command).expect("cat is everywhere");
    println!("{}", child.id());
    let _ = child.wait();
}
