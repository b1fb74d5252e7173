# What is made of the session files: a table of all units, a page, pictures.


rule units_table:
    input:
        sessions=all_sessions,
    output:
        table=f"{OUT}/units.csv",
    log:
        f"{OUT}/logs/units_table.log",
    benchmark:
        f"{OUT}/benchmarks/units_table.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
    script:
        "../../scripts/write_units_table.py"


rule batch_page:
    input:
        sessions=all_sessions,
        pictures=pictures_to_draw,
    output:
        page=f"{OUT}/{BATCH_PAGE}",
    log:
        f"{OUT}/logs/batch_page.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
    script:
        "../../scripts/write_batch_page.py"


rule draw_overview:
    input:
        session=f"{OUT}/{{recording}}.h5",
    output:
        picture=f"{OUT}/{{recording}}.png",
    log:
        f"{OUT}/logs/{{recording}}/overview.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/overview.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb(1),
    script:
        "../../scripts/draw_overview.py"


rule refuse_result:
    output:
        mark=temp(touch(f"{OUT}/.refused/{{recording}}")),
    log:
        f"{OUT}/logs/{{recording}}/refused.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/refused.tsv"
    conda:
        "../../environment.yml"
    script:
        "../../scripts/refuse_result.py"
