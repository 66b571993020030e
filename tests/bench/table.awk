#!/usr/bin/awk -f
# The table of a benchmark's JSON lines: each row's value per system, what Trivet is to GlusterFS and to the
# local directory (above 1: better, also where less is better), and the daemons' CPU per operation.
# SPDX-License-Identifier: Apache-2.0

function field(name,    rest)
{
    if (!match($0, "\"" name "\":\"?[^,\"}]*"))
        return ""
    rest = substr($0, RSTART, RLENGTH)
    sub(/^"[^"]*":"?/, "", rest)
    return rest
}

function ratio(row, one, other,    a, b)
{
    a = value[row, one]
    b = value[row, other]
    if (a + 0 == 0 || b + 0 == 0 || unit[row] == "files")
        return "-"
    return sprintf("%.2f", (unit[row] == "s" || unit[row] == "MiB") ? b / a : a / b)
}

function figure(number)
{
    if (number == "" || number == "null")
        return "-"
    if (number !~ /^[0-9.]+$/)
        return number
    number += 0
    return sprintf(number >= 100 ? "%.0f" : number >= 1 ? "%.2f" : "%.3f", number)
}

{
    row = field("row")
    system_ = field("system")
    if (!(row in unit)) {
        rows[++row_count] = row
        unit[row] = field("unit")
    }
    if (!(system_ in seen)) {
        seen[system_] = 1
        systems[++system_count] = system_
    }
    value[row, system_] = field("value")
    cpu[row, system_] = field("cpu_ms_per_op")
}

END {
    printf "%-20s %-6s", "row", "unit"
    for (s = 1; s <= system_count; s++)
        printf " %13s", systems[s]
    printf "  %9s %9s %9s %9s\n", "native/gl", "nfs/gl", "nfs/loc", "native/lo"
    for (r = 1; r <= row_count; r++) {
        row = rows[r]
        printf "%-20s %-6s", row, unit[row]
        for (s = 1; s <= system_count; s++)
            printf " %13s", figure(value[row, systems[s]])
        printf "  %9s %9s %9s %9s\n", ratio(row, "trivet_native", "gluster"), \
            ratio(row, "trivet_nfs", ("ganesha" in seen) ? "ganesha" : "gluster"), \
            ratio(row, "trivet_nfs", "ganesha_local"), \
            ratio(row, "trivet_native", "local")
    }
    printf "\n(/gl: times as good as GlusterFS%s; /loc: as NFS-Ganesha over a local directory; /lo: as that)\n", \
        ("ganesha" in seen) ? ", over NFS as NFS-Ganesha" : ""
    print "(over NFS a small file is committed before it is closed, as a kernel client does; in a mount it is not)"
    printf "\nCPU of all daemons, ms per operation\n%-27s", "row"
    for (s = 1; s <= system_count; s++)
        if (systems[s] != "local")
            printf " %13s", systems[s]
    printf "\n"
    for (r = 1; r <= row_count; r++) {
        if (rows[r] ~ /^growth/)
            continue
        printf "%-27s", rows[r]
        for (s = 1; s <= system_count; s++)
            if (systems[s] != "local")
                printf " %13s", figure(cpu[rows[r], systems[s]])
        printf "\n"
    }
}
